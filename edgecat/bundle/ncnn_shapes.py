"""What each kind of ncnn's layers makes of the shapes that it reads, or why it must not read them.

Source: ncnn/docs/developer-guide/operators.md.
"""

import dataclasses
from collections.abc import Mapping, Sequence

# 64 MB of float32. The largest blob of a MobileNetV3 that takes 224 px has 3 MB.
_MAX_BLOB_VALUES = 2**24


@dataclasses.dataclass(frozen=True)
class Shape:
    """A blob's shape.

    Attributes:
        channels: How many.
        side: Height and width of each; 0 where the blob is a vector.
    """

    channels: int
    side: int


def follow_shape(
    kind: str, numbers: Mapping[str, int], inputs: Sequence[Shape], num_outputs: int
) -> Shape:
    """Return the shape of what a layer computes.

    Args:
        kind: Of `edgecat.bundle.ncnn_file.Layer`.
        numbers: Its settings.
        inputs: The shapes that it reads.
        num_outputs: How many blobs it computes, all of one shape.

    Raises:
        ValueError: It does not fit them.
    """
    if len(inputs) != _NUM_INPUTS.get(kind, 1) or (num_outputs > 1) != (kind == "Split"):
        raise ValueError(f"{kind}: {len(inputs)} inputs and {num_outputs} outputs")
    shape = _RULES[kind](numbers, inputs)
    if shape is None or not 0 < shape.channels * max(1, shape.side**2) <= _MAX_BLOB_VALUES:
        raise ValueError(f"{kind}: its settings {dict(numbers)} do not fit {list(inputs)}")
    return shape


_NUM_INPUTS = {"Input": 0, "BinaryOp": 2}


def _take_image(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    is_photo = numbers["channels"] == 3 and numbers["side"]
    return Shape(3, numbers["side"]) if is_photo else None


def _keep(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape:
    return inputs[0]


def _add_biases(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    fits = inputs[0].side and numbers["channels"] == inputs[0].channels
    return inputs[0] if fits else None


def _convolve(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    return _slide(numbers, inputs[0], inputs[0].channels * numbers["channels"])


def _convolve_each(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    if numbers["channels"] != inputs[0].channels:
        return None
    return _slide(numbers, inputs[0], inputs[0].channels)


def _slide(numbers: Mapping[str, int], shape: Shape, num_kernels: int) -> Shape | None:
    """Return what a window that moves over a map makes of it.

    Args:
        numbers: Of a convolution.
        shape: Of the map.
        num_kernels: How many windows of weights it must have.
    """
    kernel, stride, padding = (numbers[name] for name in ("kernel", "stride", "padding"))
    fits_weights = numbers["weights"] == num_kernels * kernel**2
    if not (shape.side and kernel and stride and padding < kernel and fits_weights):
        return None
    steps = shape.side + 2 * padding - kernel
    return Shape(numbers["channels"], steps // stride + 1) if steps >= 0 else None


def _multiply(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    fits = not inputs[0].side and numbers["weights"] == inputs[0].channels * numbers["channels"]
    return Shape(numbers["channels"], 0) if fits else None


def _average(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    return Shape(inputs[0].channels, 0) if inputs[0].side else None


def _join(numbers: Mapping[str, int], inputs: Sequence[Shape]) -> Shape | None:
    """Join two alike; the second may be a vector, one number for each channel of the first."""
    first, second = inputs
    fits = second in (first, Shape(first.channels, 0)) and numbers["operation"] in (0, 2)
    return first if fits else None


_RULES = {
    "Input": _take_image,
    "Bias": _add_biases,
    "Convolution": _convolve,
    "ConvolutionDepthWise": _convolve_each,
    "InnerProduct": _multiply,
    "Pooling": _average,
    "BinaryOp": _join,
    "HardSigmoid": _keep,
    "HardSwish": _keep,
    "ReLU": _keep,
    "Split": _keep,
}
