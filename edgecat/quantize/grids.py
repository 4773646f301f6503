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


#: Largest integer of a uint8 activation.
TOP = 255

#: Largest |weight| in units of its step: all of int8, and what processors without VNNI can add up.
#: Their instruction VPMADDUBSW sums two products of uint8 and int8 in int16, which saturates at
#: 32,767; 2 * 255 * 64 fits. Source: Intel 64 and IA-32 Architectures Software Developer's Manual,
#: volume 2; how much is lost otherwise stands in benchmarks/results/*/int8_cpus.json.
WEIGHT_LIMIT = 127
SAFE_WEIGHT_LIMIT = 32_767 // (2 * TOP)


@dataclasses.dataclass(frozen=True)
class Grid:
    """The numbers that a uint8 tensor can hold.

    Attributes:
        scale: The distance between two of them, exact in float32: float32 `[]`.
        zero: The integer that means 0.0, 0-255: int32 `[]`.
    """

    scale: npt.NDArray[np.float32]
    zero: npt.NDArray[np.int32]

    @property
    def low(self) -> npt.NDArray[np.float32]:
        """Return the smallest number."""
        return np.asarray(-self.zero * self.scale, np.float32)

    @property
    def high(self) -> npt.NDArray[np.float32]:
        """Return the largest number."""
        return np.asarray((TOP - self.zero) * self.scale, np.float32)


def make_grid(scale: npt.ArrayLike, zero: npt.ArrayLike) -> Grid:
    """Return a grid of numbers of any type."""
    return Grid(np.asarray(scale, np.float32), np.asarray(zero, np.int32))


HARD_SIGMOID = make_grid(1 / TOP, 0)


def span_range(low: float, high: float) -> Grid:
    """Return the grid of 255 steps from `low` (at most 0) to `high` (at least 0)."""
    scale = max((high - low) / TOP, 1e-8)
    return make_grid(scale, np.rint(-low / scale))


def span_hard_swish_input(high: float) -> Grid:
    """Return the grid from -3 to at least `high` (from 0) in which 3 is a whole number of steps."""
    zero = int(np.clip(np.floor(3 * TOP / (high + 3)), 1, 127))
    return make_grid(3 / zero, zero)


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
    # A dead channel has no weights but may have a bias: its step is the one at which the bias fits.
    smallest = np.abs(bias) / (input_scale * BIAS_LIMIT)
    steps = np.maximum(weight_steps(weight, weight_limit), smallest).astype(np.float32)
    biases = np.rint(bias / (steps.astype(np.float64) * input_scale))
    return IntegerLayer(
        round_weight(weight, steps, weight_limit),
        steps,
        np.clip(biases, -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32),
        (steps * np.float32(input_scale)).astype(np.float32),
    )


def weight_steps(weight: npt.NDArray[np.float32], weight_limit: int) -> npt.NDArray[np.float32]:
    """Return the step of each output channel, with which its largest weight is `weight_limit`.

    Args:
        weight: float32 `[O, ...]`.
        weight_limit: Largest |weight| as an integer.

    Returns:
        float32 `[O]`, above 0.
    """
    rows = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    steps = np.maximum(rows / np.float32(weight_limit), 1e-12)
    return np.asarray(steps, np.float32)


def round_weight(
    weight: npt.NDArray[np.float32], steps: npt.NDArray[np.float32], weight_limit: int
) -> npt.NDArray[np.int8]:
    """Return weights as integers of their channel's step: int8 `[O, ...]`."""
    integers = np.rint(weight / steps.reshape(-1, *[1] * (weight.ndim - 1)))
    return np.asarray(np.clip(integers, -weight_limit, weight_limit), np.int8)
