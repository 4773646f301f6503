"""INT8 in a form that OpenVINO fuses: what dense layers read is rounded, nothing else.

OpenVINO fuses a convolution with the addition, hard-swish and rounding behind it. Depthwise
convolutions multiply little and gain no time by INT8; that they stay float is what spares this
network its outlier channels, which only they read, so no layer's accuracy asks for more.
Squeeze-and-excite gates and additions compute in float between the convolutions: rounding them,
too, takes as long. All weights are stored as int8.
Source: benchmarks/results/*/openvino_places.json.
"""

from collections.abc import Mapping

import numpy as np

from edgecat.graph.pixels_last import keep_pixels_last
from edgecat.graph.to_openvino import convert_openvino, serialize_openvino
from edgecat.quantize.form import Form
from edgecat.quantize.grids import TOP, Grid, round_weight, span_range, weight_steps
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.ranges import Histogram
from edgecat.quantize.rescale import is_depthwise


def tensors_to_measure(parts: Parts) -> list[str]:
    """Return the tensors whose range decides a scale: what dense layers read."""
    return list(dict.fromkeys(n.input[0] for n in parts.layers() if not is_depthwise(n)))


def place(parts: Parts, histograms: Mapping[str, Histogram], *, cuts: bool) -> dict[str, Grid]:
    """Return the grid of every tensor that becomes uint8.

    Args:
        parts: The float graph.
        histograms: Of `tensors_to_measure`.
        cuts: Whether a range may cut rare large values off; else it holds all that was seen.
    """
    grids = {}
    for name in tensors_to_measure(parts):
        histogram = histograms[name]
        grids[name] = span_range(*(histogram.best_range() if cuts else histogram.full_range()))
    return grids


def write(parts: Parts, placement: Placement) -> list[bytes]:
    """Return the INT8 model as OpenVINO IR, graph and weights.

    Args:
        parts: The float graph.
        placement: Where to round.

    Raises:
        ExportError: OpenVINO does not read the float graph.
    """
    model = convert_openvino(parts.model)
    made = {
        name: output
        for operator in model.get_ordered_ops()
        for output in operator.outputs()
        for name in output.get_names()
    }
    for tensor, grid in placement.grids.items():
        _round_tensor(made[tensor], grid)
    for node in parts.layers():
        _round_weight(made[node.output[0]], placement.weight_limit)
    model.validate_nodes_and_infer_types()
    keep_pixels_last(model)
    return list(serialize_openvino(model))


def _round_tensor(output: object, grid: Grid) -> None:
    """Put a rounding between a tensor and all that reads it."""
    from openvino import opset13

    readers = [
        reader
        for reader in output.get_target_inputs()  # type: ignore[attr-defined]
        if reader.get_node().get_type_name() != "Result"
    ]
    low, high = (opset13.constant(limit) for limit in (grid.low, grid.high))
    rounded = opset13.fake_quantize(output, low, high, low, high, TOP + 1)
    for reader in readers:
        reader.replace_source_output(rounded.output(0))


def _round_weight(output: object, weight_limit: int) -> None:
    """Store the weights of the layer that makes a tensor as int8 and a step per output channel."""
    from openvino import opset13

    layer = output.get_node()  # type: ignore[attr-defined]
    while layer.get_type_name() not in ("Convolution", "GroupConvolution", "MatMul"):
        layer = layer.input_value(0).get_node()  # the addition of the bias
    weight = np.array(layer.input_value(1).get_node().data)  # [O, I, ...], depthwise [O, 1, 1, ...]
    steps = weight_steps(weight, weight_limit)
    integers = opset13.constant(round_weight(weight, steps, weight_limit))
    column = opset13.constant(steps.reshape(-1, *[1] * (weight.ndim - 1)))
    product = opset13.multiply(opset13.convert(integers, np.float32), column)
    layer.input(1).replace_source_output(product.output(0))


ENTRY = Form(0, tensors_to_measure, place, write)
