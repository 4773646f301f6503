"""What all INT8 models of a graph need to know of its tensors, measured once on photos."""

import dataclasses
import functools

import numpy as np
import numpy.typing as npt
import onnx

from edgecat.photos.pixels import Pixels
from edgecat.quantize.form import FORMS
from edgecat.quantize.placement import Parts
from edgecat.quantize.prepare import own_constants, shorten_names
from edgecat.quantize.ranges import Histogram, measure_histograms
from edgecat.quantize.rescale import MAX_FLOAT_STAGES, rescale_channels


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """A float graph ready to be quantized.

    Attributes:
        files: The ONNX model, its channels rescaled, which answers as the given one; then the
            histograms, as safetensors.
        tensors: Names of the tensors with a histogram, in the order of its rows.
    """

    files: tuple[bytes, ...]
    tensors: tuple[str, ...]

    @functools.cached_property
    def model(self) -> onnx.ModelProto:
        """Return the float graph."""
        return onnx.ModelProto.FromString(self.files[0])

    @functools.cached_property
    def histograms(self) -> dict[str, Histogram]:
        """Return the histogram of every tensor whose range decides a scale, by name."""
        from safetensors.numpy import load

        rows = load(self.files[1])
        return {
            name: Histogram(
                float(rows["low"][row]),
                float(rows["high"][row]),
                rows["counts"][row],
                rows["costs"][row],
            )
            for row, name in enumerate(self.tensors)
        }


def calibrate(graph: onnx.ModelProto, photos: Pixels) -> Calibrated:
    """Rescale a graph's channels and measure its tensors.

    Args:
        graph: The optimized float model: uint8 `[N, H, W, 3]` RGB in, float32 logits out;
            BatchNorm folded, hard-swish as one op, squeeze as `GlobalAveragePool`.
        photos: uint8 `[N, H, W, 3]`, RGB: photos like those the model will see, 256 are enough.

    Raises:
        QuantizeError: The graph is not one that `edgecat export` makes, its weights are no
            numbers, or the photos are not what it takes.
    """
    from safetensors.numpy import save

    model = rescale_channels(shorten_names(own_constants(graph)), photos)
    histograms = measure_histograms(model, _weigh_tensors(model), photos)
    rows = {
        field.name: np.array([getattr(histogram, field.name) for histogram in histograms.values()])
        for field in dataclasses.fields(Histogram)
    }
    return Calibrated((model.SerializeToString(), save(rows)), tuple(histograms))


def _weigh_tensors(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.float64] | None]:
    """Return what an error weighs, by channel, in every tensor that any recipe may ask for."""
    weights: dict[str, npt.NDArray[np.float64] | None] = {}
    for form in FORMS.load_all().values():
        for stages in range(form.min_float_stages, MAX_FLOAT_STAGES + 1):
            parts = Parts(model, stages)
            for name in form.tensors_to_measure(parts):
                if name not in weights:
                    weights[name] = parts.channel_weights(name)
    return weights
