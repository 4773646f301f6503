"""Which integers stand for which numbers.

An activation is `scale * (q - zero)` with q from 0 to 255; a weight is `step * q` with one step per
output channel and q from -127 to 127; a bias counts in units of step times the scale of the layer's
input, because that is the unit of the sums it is added to.

Two activations have no integer op in ONNX Runtime and get a grid that computes them:

* hard-sigmoid behind a convolution: `x/6 + 1/2` goes into the convolution, and a grid with scale
  1/255 and zero point 0 saturates at 0 and 1 by itself;
* hard-swish, `x * min(max(x + 3, 0), 6) / 6`: below -3 it is 0, so its input's grid may start
  there. With scale 3 / zero it does, and `x + 3` is `scale * q`: the second factor is
  `min(q, 2 * zero)` on a grid of scale / 6, one integer minimum, one integer product.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

#: Largest |bias| as an integer. Source: the sum of 33,000 products of 255 * 127 and a bias of this
#: size just fit in int32; MobileNetV3's longest sums have 1,280 products.
BIAS_LIMIT = 2**30


@dataclasses.dataclass(frozen=True)
class Grid:
    """The numbers that a uint8 tensor can hold.

    Attributes:
        scale: The distance between two of them; exact in float32.
        zero: The integer that means 0.0, 0-255.
    """

    scale: float
    zero: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(np.float32(self.scale)))


HARD_SIGMOID = Grid(1 / 255, 0)


def span_range(low: float, high: float) -> Grid:
    """Return the grid of 255 steps from `low` (at most 0) to `high` (at least 0)."""
    scale = max((high - low) / 255, 1e-8)
    return Grid(scale, int(np.rint(-low / scale)))


def span_hard_swish_input(high: float) -> Grid:
    """Return the grid from -3 to at least `high` (from 0) in which 3 is a whole number of steps."""
    zero = int(np.clip(np.floor(3 * 255 / (high + 3)), 1, 127))
    return Grid(3 / zero, zero)


@dataclasses.dataclass(frozen=True)
class IntegerLayer:
    """A convolution or matrix product in integers.

    Attributes:
        weight: int8 `[O, ...]`.
        weight_steps: float32 `[O]`.
        bias: int32 `[O]`, at most `BIAS_LIMIT` in magnitude.
        bias_steps: float32 `[O]`.
    """

    weight: npt.NDArray[np.int8]
    weight_steps: npt.NDArray[np.float32]
    bias: npt.NDArray[np.int32]
    bias_steps: npt.NDArray[np.float32]


def round_layer(
    weight: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float64],
    input_scale: float,
    weight_limit: int,
) -> IntegerLayer:
    """Round a layer's weights and biases to integers.

    Args:
        weight: float32 `[O, ...]`.
        bias: float64 `[O]`.
        input_scale: Of the grid of the layer's input.
        weight_limit: Largest |weight| as an integer.
    """
    rows = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    # A dead channel has no weights but may have a bias: its step is the one at which the bias fits.
    steps = np.maximum(rows / weight_limit, np.abs(bias) / (input_scale * BIAS_LIMIT))
    steps = np.maximum(steps, 1e-12).astype(np.float32)
    column = steps.reshape(-1, *[1] * (weight.ndim - 1))
    return IntegerLayer(
        np.clip(np.rint(weight / column), -weight_limit, weight_limit).astype(np.int8),
        steps,
        clip_bias(bias / (steps.astype(np.float64) * input_scale)),
        (steps * np.float32(input_scale)).astype(np.float32),
    )


def clip_bias(bias: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    """Round biases, in units of their steps, to integers of at most `BIAS_LIMIT`."""
    return np.clip(np.rint(bias), -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)
