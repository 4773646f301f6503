"""A photo on its way to the first convolution of an OpenVINO model: without being moved in memory.

    photo -> transposed -> mean taken off -> (rounded) -> convolution
    photo -> rows       -> mean taken off -> (rounded) -> photo -> transposed -> convolution

A photo has its channels last, and so have the convolutions of OpenVINO's CPU plugin. A graph says
"channels first", as ONNX does: written as the first line, a photo is transposed, and what the mean
was taken off is moved back. Of the second line OpenVINO sees that the transposition, right before
the convolution, moves nothing. The mean is taken off rows of width x 3 numbers, since a sum whose
last axis has 3 channels fills no vector register.

What that is worth: benchmarks/results/*/openvino_input.json.
"""

import dataclasses
import math
from typing import Any

import numpy as np

# What computes each number by itself, from that and constants.
_POINTWISE = ("Convert", "Add", "Subtract", "Multiply", "FakeQuantize")

_TO_CHANNELS_FIRST = [0, 3, 1, 2]


@dataclasses.dataclass(frozen=True)
class _Front:
    """What stands between a photo and the first convolution.

    Attributes:
        transposed: The operator that moves the channels first.
        pointwise: All others.
        convolution: The input of the convolution.
    """

    transposed: Any
    pointwise: list[Any]
    convolution: Any


def keep_pixels_last(model: Any) -> bool:
    """Move the transposition of photos behind all that is done to single pixels; exact.

    Args:
        model: An `openvino.Model` that takes `[N, H, W, C]`; changed in place.

    Returns:
        Whether it starts as this expects; else it is left as it is.
    """
    from openvino import opset13

    image = model.input().get_node()
    shape = image.get_output_partial_shape(0)
    if shape.rank != 4 or any(size.is_dynamic for size in list(shape)[1:]):
        return False
    height, width, channels = (size.get_length() for size in list(shape)[1:])
    front = _find_front(image, channels)
    if front is None:
        return False
    for reader in front.transposed.output(0).get_target_inputs():
        reader.replace_source_output(front.transposed.input_value(0))
    for node in front.pointwise:
        for given in node.inputs()[1:]:
            values = given.get_source_output().get_node().data
            if values.ndim:  # one for each channel, or a single one, which needs no axes
                row = np.tile(values.reshape(-1), width) if values.size > 1 else values.reshape(())
                given.replace_source_output(opset13.constant(row).output(0))
    (first,) = image.output(0).get_target_inputs()
    rows = _reshape(image, [0, height, width * channels])
    first.replace_source_output(rows.output(0))
    photo = _reshape(front.convolution.get_source_output(), [0, height, width, channels])
    last = opset13.transpose(photo, opset13.constant(_TO_CHANNELS_FIRST))
    front.convolution.replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()
    return True


def _find_front(image: Any, channels: int) -> _Front | None:
    """Return what stands before the first convolution; None where that is anything else."""
    transposed: list[Any] = []
    pointwise: list[Any] = []
    output = image.output(0)
    while len(readers := output.get_target_inputs()) == 1:
        (reader,) = readers
        node = reader.get_node()
        kind = node.get_type_name()
        if kind == "Convolution":
            return _Front(transposed[0], pointwise, reader) if len(transposed) == 1 else None
        others = [value.get_node() for value in node.input_values()[1:]]
        if any(other.get_type_name() != "Constant" for other in others):
            return None
        if kind == "Transpose" and others[0].data.tolist() == _TO_CHANNELS_FIRST:
            transposed.append(node)
        elif kind in _POINTWISE:
            # A rounding whose limits change along a row OpenVINO computes wrongly (2026.4.1).
            most = 1 if kind == "FakeQuantize" else channels
            axis = 1 if transposed else 3
            if not all(_is_per_channel(other.data.shape, most, axis) for other in others):
                return None
            pointwise.append(node)
        else:
            return None
        output = node.output(0)
    return None


def _is_per_channel(shape: tuple[int, ...], channels: int, axis: int) -> bool:
    """Return whether constants are one number, or one for each channel, which is on that axis."""
    sizes = [1] * (4 - len(shape)) + list(shape)
    return sizes[axis] in (1, channels) and math.prod(sizes) == sizes[axis]


def _reshape(values: Any, shape: list[int]) -> Any:
    """Return values in another shape, with 0 for as many as there are."""
    from openvino import opset13

    return opset13.reshape(values, opset13.constant(shape), special_zero=True)
