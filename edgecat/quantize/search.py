"""From the cheapest INT8 recipe to the dearest: stop at the first that surely keeps its accuracy.

Recipes are compared on validation photos, never on test photos; what the chosen one is worth is
reported
on the test photos afterwards.

A drop measured on 300 photos is an estimate, so a step ends the search only if the whole 95 %
interval of its drop lies within the budget. Where none does, the best of those whose drop itself
does is taken: no slower than float if possible, then the one that changes the fewest answers, a
finer measure of damage than the drop, in which answers lost and gained cancel.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from edgecat.bench.clock import median_ratio
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bundle.manifest import TARGETS, Variant
from edgecat.errors import ConfigError
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT, WEIGHT_LIMIT
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import SEARCHES, Recipe, choose_recipes
from edgecat.runtime.engines.base import Engine, open_model
from edgecat.scores.answers import answer_pixels
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.metrics import Indices, Logits

# Rounds against float: enough to tell faster from slower.
_NUM_ROUNDS, _NUM_WARMUP = 60, 10


@dataclasses.dataclass(frozen=True)
class Budget:
    """What INT8 may cost.

    Attributes:
        max_drop_pp: Most that top-1 may drop, percentage points, 0-100. One single photo never
            counts as over budget: a small validation split cannot tell it from none.
        targets: Processors, of `edgecat.bundle.manifest.TARGETS`, that must compute the same.
        search: Of `SEARCHES`.
        allows_drop: Whether to keep the best step even if it is over budget.
    """

    max_drop_pp: float = 1.0
    targets: tuple[str, ...] = TARGETS
    search: str = "full"
    allows_drop: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: One is none of those accepted.
        """
        if not 0 <= self.max_drop_pp <= 100:
            raise ConfigError(
                f"--max-drop {self.max_drop_pp:g}: accepted are 0 to 100 percentage points, "
                "such as --max-drop 1.0"
            )
        unknown = sorted(set(self.targets) - set(TARGETS))
        if unknown or not self.targets:
            raise ConfigError(
                f"--targets {','.join(self.targets)}: accepted are auto (all) or some of "
                f"{', '.join(TARGETS)}, such as --targets x86-vnni,arm"
            )
        if self.search not in SEARCHES:
            raise ConfigError(f"--search {self.search}: accepted are {' and '.join(SEARCHES)}")

    @property
    def weight_limit(self) -> int:
        """Return the largest |weight| as an integer: less where sums of 16 bits would saturate."""
        return SAFE_WEIGHT_LIMIT if "x86-avx2" in self.targets else WEIGHT_LIMIT

    def holds(self, change: AccuracyChange) -> bool:
        """Tell whether a drop, as measured, is within the budget."""
        return change.drop_pp <= self.max_drop_pp or change.num_lost <= 1

    def is_proven(self, change: AccuracyChange) -> bool:
        """Tell whether the whole interval of a drop is within the budget."""
        return change.drop_interval_pp[1] <= self.max_drop_pp


@dataclasses.dataclass(frozen=True)
class ValidationSet:
    """Validation photos and what the checkpoint answers to them.

    Attributes:
        photos: uint8 `[N, 224, 224, 3]`, RGB.
        targets: int64 `[N]`.
        expected: float32 `[N, K]`, the checkpoint's answers.
    """

    photos: Pixels
    targets: Indices
    expected: Logits

    def compare(self, engine: Engine) -> AccuracyChange:
        """Return what a model loses against the checkpoint."""
        answers = answer_pixels(engine.run, self.photos)
        return compare_accuracy(self.expected, answers, self.targets)


@dataclasses.dataclass(frozen=True)
class SearchStep:
    """One recipe, tried.

    Attributes:
        recipe: What was done.
        change: Its accuracy on the validation photos.
        latency_ratio: Its latency by that of the same engine's float model: single photos, one
            thread, median of rounds in turn.
        duration_s: To quantize and to compare.
    """

    recipe: Recipe
    change: AccuracyChange
    latency_ratio: float
    duration_s: float


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        files: The chosen model's.
        chosen: The step it is from.
        steps: All that were tried.
    """

    files: list[bytes]
    chosen: SearchStep
    steps: tuple[SearchStep, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the bundle."""
        steps = [dataclasses.asdict(step) for step in self.steps]
        return {"chosen": self.chosen.recipe.title, "steps": steps}


def search_recipes(
    variant: Variant,
    quantizer: Quantizer,
    floats: Engine,
    validation: ValidationSet,
    budget: Budget,
    progress: Progress,
) -> SearchResult:
    """Quantize a graph for an engine.

    Args:
        variant: An INT8 one.
        quantizer: Of the float graph.
        floats: The same engine's float model, with one thread: the measure of speed.
        validation: Validation photos.
        budget: What INT8 may cost.
        progress: Told of each step.

    Returns:
        The first step that is proven to be within the budget, or else the best, which may be over
        it: ask `budget.holds(result.chosen.change)`.
    """
    steps: list[SearchStep] = []
    made: list[list[bytes]] = []
    for recipe in choose_recipes(variant.name, budget.search):
        started_s = time.perf_counter()
        files = quantizer.make(
            variant.name, recipe, weight_limit=budget.weight_limit, progress=progress
        )
        engine = open_model(variant, files)
        change = validation.compare(engine)
        engine.close()
        ratio = _measure_ratio(variant, files, floats)
        steps.append(SearchStep(recipe, change, ratio, time.perf_counter() - started_s))
        made.append(files)
        progress.say(describe_step(variant.name, steps[-1]))
        if budget.is_proven(change):
            break
    best = len(steps) - 1 if budget.is_proven(steps[-1].change) else _find_best(steps, budget)
    progress.say(f"{variant.name}: chosen: {steps[best].recipe.title}")
    return SearchResult(made[best], steps[best], tuple(steps))


def describe_step(variant: str, step: SearchStep) -> str:
    """Return the line that reports a step."""
    change = step.change
    low, high = change.drop_interval_pp
    return (
        f"{variant}: {step.recipe.title}: validation top-1 {100 * change.top1_ratio:.1f} %, drop "
        f"{change.drop_pp:+.1f} pp ({low:+.1f} to {high:+.1f}), same answer on "
        f"{100 * change.agreement_ratio:.1f} % of {change.num_images} photos, "
        f"{step.latency_ratio:.2f}x the latency of float, {step.duration_s:.0f} s"
    )


def _find_best(steps: Sequence[SearchStep], budget: Budget) -> int:
    def cost(index: int) -> tuple[float, ...]:
        change, ratio = steps[index].change, steps[index].latency_ratio
        if not budget.holds(change):
            return 1, change.drop_pp, ratio
        return 0, float(ratio > 1), -change.agreement_ratio, ratio

    return min(range(len(steps)), key=cost)


def _measure_ratio(variant: Variant, files: list[bytes], floats: Engine) -> float:
    engine = open_model(variant, files, threads=1)
    engines = {"int8": engine, "float": floats}
    times = measure_latencies_ms(engines, _NUM_ROUNDS, _NUM_WARMUP)
    engine.close()
    return median_ratio(times["int8"], times["float"])
