"""A calibrated float model and a recipe -> an INT8 model."""

import contextlib
import dataclasses
from collections.abc import Callable

from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress, Silent
from edgecat.quantize.bias import mend_biases
from edgecat.quantize.calibrate import Calibrated
from edgecat.quantize.distil import distil
from edgecat.quantize.form import FORMS
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.recipe import Recipe
from edgecat.quantize.student import Student
from edgecat.runtime.engine import open_graph


@dataclasses.dataclass(frozen=True)
class Quantizer:
    """Makes INT8 models of one float graph.

    Attributes:
        calibrated: The graph and the ranges of its tensors.
        photos: uint8 `[N, H, W, 3]`, RGB: those it was calibrated with.
        load_distillation: Returns more of them, to distil with; called only by a recipe that
            distils. None for the same. No labels are needed.
    """

    calibrated: Calibrated
    photos: Pixels
    load_distillation: Callable[[], Pixels] | None = None

    def make(
        self,
        form: str,
        recipe: Recipe,
        *,
        weight_limit: int = SAFE_WEIGHT_LIMIT,
        progress: Progress | None = None,
    ) -> list[bytes]:
        """Return an INT8 model's files.

        Args:
            form: Of `FORMS`: the name of the engine.
            recipe: How to make it.
            weight_limit: Largest |weight| as an integer, see `edgecat.quantize.grids`.
            progress: Told of each step of a distillation.

        Raises:
            QuantizeError: The recipe leaves less, or more, in float than the graph allows.
        """
        chosen = FORMS.load(form)
        parts = Parts(self.calibrated.model, recipe.num_float_stages)
        grids = chosen.place(parts, self.calibrated.histograms, cuts=recipe.cuts_ranges)
        placement = Placement(grids, weight_limit)
        student = Student(parts, placement)
        if recipe.mends_biases:
            mend_biases(student, self.photos)
        if recipe.distils:
            self._distil(student, progress or Silent())
        learned = Parts(student.to_model(), recipe.num_float_stages)
        return list(chosen.write(learned, placement))

    def _distil(self, student: Student, progress: Progress) -> None:
        photos = self.load_distillation() if self.load_distillation else self.photos
        graph = self.calibrated.model.SerializeToString()
        with contextlib.closing(open_graph(graph)) as teacher:
            distil(student, teacher.run, photos, progress)
