"""A float graph and a recipe -> an INT8 model."""

from collections.abc import Mapping
from types import ModuleType

import numpy as np
import numpy.typing as npt
import onnx

from edgecat.bundle.manifest import Variant
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress, Silent
from edgecat.quantize import onnxruntime, openvino
from edgecat.quantize.bias import mend_biases
from edgecat.quantize.distil import distil
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.prepare import own_constants, shorten_names
from edgecat.quantize.ranges import Histogram, check_images, measure_histograms
from edgecat.quantize.recipe import Recipe
from edgecat.quantize.rescale import MAX_FLOAT_STAGES, rescale_channels
from edgecat.quantize.student import Student
from edgecat.runtime.engines.base import open_model

#: What INT8 looks like to each engine.
FORMS: Mapping[str, ModuleType] = {"onnxruntime-int8": onnxruntime, "openvino-int8": openvino}

_FLOAT = Variant("onnxruntime-fp32", ("model.onnx",))


class Quantizer:
    """Makes INT8 models of one float graph; what all recipes need is measured once.

    Attributes:
        model: The float graph, its channels rescaled; it answers as the given one.
        histograms: Of every tensor whose range decides a scale, by name.
    """

    def __init__(
        self, graph: onnx.ModelProto, calibration: Pixels, distillation: Pixels | None = None
    ) -> None:
        """Rescale the graph's channels and measure its tensors.

        Args:
            graph: The optimized float model: uint8 `[N, 224, 224, 3]` RGB in, float32 logits out;
                BatchNorm folded, hard-swish as one op, squeeze as `GlobalAveragePool`.
            calibration: uint8 `[N, 224, 224, 3]`, RGB: photos like those the model will see, 256
                are enough.
            distillation: More of them, to distil with; None for the same. No labels are needed.

        Raises:
            QuantizeError: The graph is not one that `edgecat export` makes, its weights are no
                numbers, or the photos are not what it takes.
        """
        check_images(graph, calibration)
        self._calibration = calibration
        self._distillation = calibration if distillation is None else distillation
        self.model = rescale_channels(shorten_names(own_constants(graph)), calibration)
        # All that any recipe can ask for, in one go.
        weights: dict[str, npt.NDArray[np.float64] | None] = {}
        for form in FORMS.values():
            for stages in range(form.MIN_FLOAT_STAGES, MAX_FLOAT_STAGES + 1):
                parts = Parts(self.model, stages)
                for name in form.tensors_to_measure(parts):
                    if name not in weights:
                        weights[name] = parts.channel_weights(name)
        self.histograms: dict[str, Histogram] = measure_histograms(self.model, weights, calibration)

    def make(
        self,
        variant: str,
        recipe: Recipe,
        *,
        weight_limit: int = SAFE_WEIGHT_LIMIT,
        progress: Progress | None = None,
    ) -> list[bytes]:
        """Return an INT8 model's files.

        Args:
            variant: "onnxruntime-int8" or "openvino-int8".
            recipe: How to make it.
            weight_limit: Largest |weight| as an integer, see `edgecat.quantize.grids`.
            progress: Told of each step of a distillation.

        Raises:
            QuantizeError: The recipe leaves less, or more, in float than the graph allows.
        """
        form = FORMS[variant]
        parts = Parts(self.model, recipe.num_float_stages)
        grids = form.place(parts, self.histograms, cuts=recipe.cuts_ranges)
        placement = Placement(grids, weight_limit)
        student = Student(parts, placement)
        if recipe.mends_biases:
            mend_biases(student, self._calibration)
        if recipe.distils:
            teacher = open_model(_FLOAT, [self.model.SerializeToString()])
            distil(student, teacher.run, self._distillation, progress or Silent())
            teacher.close()
        learned = Parts(student.to_model(), recipe.num_float_stages)
        files: list[bytes] = form.write(learned, placement)
        return files
