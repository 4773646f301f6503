"""Measure what values the tensors of a graph take; counts are kept, so memory is bounded."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from edgecat.errors import QuantizeError
from edgecat.machine.cores import count_threads
from edgecat.photos.pixels import Pixels
from edgecat.runtime.engines.onnxruntime import import_onnxruntime

#: Bins of a histogram: a u8 step (1/255 of the range) spans 8 of them.
#: Source: TensorRT calibrates on 2,048 bins (S. Migacz, "8-bit inference with TensorRT", GTC 2017).
NUM_BINS = 2048

#: Share of the values that a range may cut off on each side.
#: Chosen in trials of which no raw result is committed.
MAX_CUT_RATIO = 0.0005

#: Photos a run: all measured maps of these are in memory at once.
BATCH_SIZE = 4


@dataclasses.dataclass(frozen=True)
class Histogram:
    """How often a tensor took which value, in equal bins from `low` to `high`.

    Attributes:
        low: Smallest value seen.
        high: Largest value seen.
        counts: float64 `[NUM_BINS]`.
        costs: float64 `[NUM_BINS]`, the same with each channel counted by what its errors weigh.
    """

    low: float
    high: float
    counts: npt.NDArray[np.float64]
    costs: npt.NDArray[np.float64]

    def full_range(self) -> tuple[float, float]:
        """Return the range of all values seen: low (at most 0) and high (at least 0)."""
        return min(0.0, self.low), max(0.0, self.high)

    def best_range(self, floor: float | None = None) -> tuple[float, float]:
        """Return the range that loses the least in mean square when 255 equal steps span it.

        A wide range rounds all values coarsely, a narrow one cuts the rare large ones off. Ranges
        that keep 20-100 % of each side are tried.

        Args:
            floor: Where the range starts whatever was seen (-3 before a hard-swish).

        Returns:
            Low (at most 0) and high (at least 0).
        """
        edges = np.linspace(self.low, self.high, NUM_BINS + 1)
        centres = (edges[1:] + edges[:-1]) / 2
        costs = self.costs if floor is None else np.where(centres < floor, 0, self.costs)
        reached = np.cumsum(self.counts) / self.counts.sum()
        keeps = np.linspace(0.2, 1, 41)
        lowest = min(0.0, edges[np.searchsorted(reached, MAX_CUT_RATIO)])
        highest = max(0.0, edges[1:][np.searchsorted(reached, 1 - MAX_CUT_RATIO)])
        lows = [floor] if floor is not None else [min(lowest, self.low * keep) for keep in keeps]
        highs = [max(highest, self.high * keep) for keep in keeps]

        def loss(low: float, high: float) -> float:
            cut = np.square(centres - np.clip(centres, low, high)) @ costs
            return float(cut + ((high - low) / 255) ** 2 / 12 * costs.sum())

        # One side at a time: the two cuts hardly interact, and 123 losses are cheaper than 1,681.
        low = min(lows, key=lambda value: loss(value, max(highs)))
        high = min(highs, key=lambda value: loss(low, value))
        return min(lows, key=lambda value: loss(value, high)), high


def check_images(model: onnx.ModelProto, images: Pixels) -> None:
    """Refuse images that a model does not take.

    Raises:
        QuantizeError: None, or not of the model's dtype and shape.
    """
    wanted = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim][1:]
    if images.dtype != np.uint8 or list(images.shape[1:]) != wanted or not len(images):
        raise QuantizeError(
            f"calibration photos {images.dtype}{list(images.shape)}; accepted is "
            f"uint8[N, {', '.join(map(str, wanted))}], N from 1, as `load_pixels` makes it"
        )


def measure_peaks(
    model: onnx.ModelProto, tensors: list[str], images: Pixels
) -> dict[str, npt.NDArray[np.float32]]:
    """Return each channel's largest magnitude.

    Args:
        model: With one input.
        tensors: Of shape `[N, C, H, W]`.
        images: uint8 `[N, H, W, 3]`, what the model takes.

    Returns:
        float32 `[C]` per tensor.

    Raises:
        QuantizeError: A tensor grows beyond float32.
    """
    peaks = dict.fromkeys(tensors, np.zeros(1, np.float32))
    for results in run_batches(model, tensors, images):
        for name, values in zip(tensors, results, strict=True):
            peaks[name] = np.maximum(peaks[name], np.abs(values).max((0, 2, 3)))
    for name, peak in peaks.items():
        _check_range(name, 0, peak.max())
    return peaks


def measure_histograms(
    model: onnx.ModelProto,
    weights: dict[str, npt.NDArray[np.float64] | None],
    images: Pixels,
) -> dict[str, Histogram]:
    """Return one histogram per tensor over all images.

    The images are run twice: for the limits, then for the counts.

    Args:
        model: A float model with one input.
        weights: For each tensor `[N, C, H, W]` or `[N, C]`, what an error in a channel weighs:
            float64 `[C]`, or None: equal.
        images: uint8 `[N, H, W, 3]`, what the model takes.

    Raises:
        QuantizeError: A tensor grows beyond float32.
    """
    names = list(weights)
    lows, highs = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for results in run_batches(model, names, images):
        lows = np.minimum(lows, [values.min() for values in results])
        highs = np.maximum(highs, [values.max() for values in results])
    for name, low, high in zip(names, lows, highs, strict=True):
        _check_range(name, low, high)
    highs = np.maximum(highs, lows + 1e-6)  # a constant tensor still needs a bin
    counts, costs = np.zeros((2, len(names), NUM_BINS))
    for results in run_batches(model, names, images):
        for row, (name, values) in enumerate(zip(names, results, strict=True)):
            found = _count_channels(values, lows[row], highs[row])
            weight = weights[name]
            counts[row] += found.sum(axis=0)
            costs[row] += found.sum(axis=0) if weight is None else weight @ found
    return {
        name: Histogram(float(lows[row]), float(highs[row]), counts[row], costs[row])
        for row, name in enumerate(names)
    }


def run_batches(
    model: onnx.ModelProto, tensors: list[str], images: Pixels
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Yield the values of tensors, `BATCH_SIZE` images at a time.

    Args:
        model: With one input; nothing behind the last of `tensors` is computed.
        tensors: Names of float32 tensors.
        images: uint8 `[N, H, W, 3]`, what the model takes.
    """
    probe = onnx.ModelProto.FromString(model.SerializeToString())
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in tensors)
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    # Below 3: warnings about the output shapes, which are left open on purpose.
    options.log_severity_level = 3
    options.intra_op_num_threads = count_threads()
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for start in range(0, len(images), BATCH_SIZE):
        yield session.run(None, {session.get_inputs()[0].name: images[start : start + BATCH_SIZE]})


def _check_range(tensor: str, low: float, high: float) -> None:
    if not np.isfinite(high - low):
        raise QuantizeError(
            f"tensor {tensor!r} has values from {low:g} to {high:g} on the calibration photos; "
            "accepted are finite ones, fine-tune again with a smaller learning rate"
        )


def _count_channels(
    values: npt.NDArray[np.float32], low: float, high: float
) -> npt.NDArray[np.int64]:
    """Return how many values of each channel fall in each bin: int64 `[C, NUM_BINS]`."""
    num_channels = values.shape[1]
    bins_per_unit = np.float32(NUM_BINS / (high - low))
    bins = np.clip((values - np.float32(low)) * bins_per_unit, 0, NUM_BINS - 1).astype(np.int32)
    bins = bins.reshape(len(values), num_channels, -1)
    first_bins = np.arange(num_channels, dtype=np.int32)[:, None] * NUM_BINS
    found = np.bincount((bins + first_bins).ravel(), minlength=num_channels * NUM_BINS)
    return found.reshape(num_channels, NUM_BINS)
