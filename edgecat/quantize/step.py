"""A step of the search: a recipe is tried, and seen what it loses and how fast it is."""

import contextlib
import dataclasses
import time
from typing import Any

from edgecat.bench.clock import median_ratio
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bundle.manifest import Variant
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.model import Model
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import Recipe
from edgecat.runtime.engine import Engine
from edgecat.scores.answers import answer_pixels
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.metrics import Indices, Logits

# Rounds against float: enough to tell faster from slower.
_NUM_ROUNDS, _NUM_WARMUP = 60, 10


@dataclasses.dataclass(frozen=True)
class ValidationSet:
    """Validation photos and what the checkpoint answers to them.

    Attributes:
        photos: uint8 `[N, H, W, 3]`, RGB.
        targets: int64 `[N]`.
        expected: float32 `[N, K]`, the checkpoint's answers.
        spec: What made the photos so.
    """

    photos: Pixels
    targets: Indices
    expected: Logits
    spec: InputSpec

    def compare(self, engine: Engine) -> AccuracyChange:
        """Return what a model loses against the checkpoint."""
        answers = answer_pixels(engine.run, self.photos)
        return compare_accuracy(self.expected, answers, self.targets)


@dataclasses.dataclass(frozen=True)
class SearchStep:
    """One recipe, tried.

    Attributes:
        files: The INT8 model's.
        recipe: What was done.
        change: Its accuracy on the validation photos.
        latency_ratio: Its latency by that of the same engine's float model: single photos, one
            thread, median of rounds in turn.
        duration_s: To quantize and to compare.
    """

    files: tuple[bytes, ...]
    recipe: Recipe
    change: AccuracyChange
    latency_ratio: float
    duration_s: float

    def describe(self) -> str:
        """Return the line that reports it."""
        change = self.change
        low, high = change.drop_interval_pp
        return (
            f"{self.recipe.title}: validation top-1 {100 * change.top1_ratio:.1f} %, drop "
            f"{change.drop_pp:+.1f} pp ({low:+.1f} to {high:+.1f}), same answer on "
            f"{100 * change.agreement_ratio:.1f} % of {change.num_images} photos, "
            f"{self.latency_ratio:.2f}x the latency of float, {self.duration_s:.0f} s"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the bundle: all but the files."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "files"}


@dataclasses.dataclass(frozen=True)
class Study:
    """What every step of the search for one INT8 variant is made from and measured by.

    Attributes:
        variant: The quantized one.
        quantizer: Of the float graph.
        floats: The same engine's float model: the measure of speed.
        validation: The measure of accuracy.
        weight_limit: Largest |weight| as an integer.
    """

    variant: Variant
    quantizer: Quantizer
    floats: Model
    validation: ValidationSet
    weight_limit: int

    def try_recipe(self, recipe: Recipe, progress: Progress) -> SearchStep:
        """Make the INT8 model of a recipe and measure it.

        Args:
            recipe: How to make it.
            progress: Told of each step of a distillation.

        Raises:
            QuantizeError: The graph cannot be quantized by this recipe.
        """
        started_s = time.perf_counter()
        form, limit = self.variant.engine, self.weight_limit
        files = self.quantizer.make(form, recipe, weight_limit=limit, progress=progress)
        model = Model(self.variant, tuple(files))
        with model.open() as engine:
            change = self.validation.compare(engine)
        ratio = _measure_ratio(model, self.floats, self.validation.spec)
        return SearchStep(model.files, recipe, change, ratio, time.perf_counter() - started_s)


def _measure_ratio(model: Model, floats: Model, spec: InputSpec) -> float:
    with contextlib.ExitStack() as stack:
        engines = {
            name: stack.enter_context(each.open(threads=1))
            for name, each in (("ours", model), ("float", floats))
        }
        times = measure_latencies_ms(engines, spec, _NUM_ROUNDS, _NUM_WARMUP)
    return median_ratio(times["ours"], times["float"])
