"""From the cheapest INT8 recipe to the dearest: stop at the first that surely keeps its accuracy.

All is judged on validation photos, never on test photos; what the chosen one is worth is reported
on the test photos afterwards.

A drop measured on 300 photos is an estimate, so a rung ends the climb only if the whole 95 %
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
from edgecat.quantize.recipe import LADDERS, Recipe, choose_rungs
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
        ladder: Of `LADDERS`.
        allows_drop: Whether to keep the best rung even if it is over budget.
    """

    max_drop_pp: float = 1.0
    targets: tuple[str, ...] = TARGETS
    ladder: str = "full"
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
        if self.ladder not in LADDERS:
            raise ConfigError(f"--ladder {self.ladder}: accepted are {' and '.join(LADDERS)}")

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
class Judges:
    """Validation photos and what the checkpoint says of them.

    Attributes:
        photos: uint8 `[N, 224, 224, 3]`, RGB.
        targets: int64 `[N]`.
        expected: float32 `[N, K]`, the checkpoint's answers.
    """

    photos: Pixels
    targets: Indices
    expected: Logits

    def judge(self, engine: Engine) -> AccuracyChange:
        """Return what a model loses against the checkpoint."""
        answers = answer_pixels(engine.run, self.photos)
        return compare_accuracy(self.expected, answers, self.targets)


@dataclasses.dataclass(frozen=True)
class Rung:
    """One recipe, tried.

    Attributes:
        recipe: What was done.
        change: Its accuracy on the validation photos.
        latency_ratio: Its latency by that of the same engine's float model: single photos, one
            thread, median of rounds in turn.
        duration_s: To quantize and to judge.
    """

    recipe: Recipe
    change: AccuracyChange
    latency_ratio: float
    duration_s: float


@dataclasses.dataclass(frozen=True)
class Climb:
    """What a ladder came to.

    Attributes:
        files: The chosen model's.
        chosen: The rung it is from.
        rungs: All that were tried.
    """

    files: list[bytes]
    chosen: Rung
    rungs: tuple[Rung, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the bundle."""
        rungs = [dataclasses.asdict(rung) for rung in self.rungs]
        return {"chosen": self.chosen.recipe.title, "rungs": rungs}


def climb(
    variant: Variant,
    quantizer: Quantizer,
    floats: Engine,
    judges: Judges,
    budget: Budget,
    progress: Progress,
) -> Climb:
    """Quantize a graph for an engine.

    Args:
        variant: An INT8 one.
        quantizer: Of the float graph.
        floats: The same engine's float model, with one thread: the measure of speed.
        judges: Validation photos.
        budget: What INT8 may cost.
        progress: Told of each rung.

    Returns:
        The first rung that is proven to be within the budget, or else the best, which may be over
        it: ask `budget.holds(climb.chosen.change)`.
    """
    rungs: list[Rung] = []
    made: list[list[bytes]] = []
    for recipe in choose_rungs(variant.name, budget.ladder):
        started_s = time.perf_counter()
        files = quantizer.make(
            variant.name, recipe, weight_limit=budget.weight_limit, progress=progress
        )
        engine = open_model(variant, files)
        change = judges.judge(engine)
        engine.close()
        ratio = _measure_ratio(variant, files, floats)
        rungs.append(Rung(recipe, change, ratio, time.perf_counter() - started_s))
        made.append(files)
        progress.say(describe_rung(variant.name, rungs[-1]))
        if budget.is_proven(change):
            break
    best = len(rungs) - 1 if budget.is_proven(rungs[-1].change) else _find_best(rungs, budget)
    progress.say(f"{variant.name}: chosen: {rungs[best].recipe.title}")
    return Climb(made[best], rungs[best], tuple(rungs))


def describe_rung(variant: str, rung: Rung) -> str:
    """Return the line that reports a rung."""
    change = rung.change
    low, high = change.drop_interval_pp
    return (
        f"{variant}: {rung.recipe.title}: validation top-1 {100 * change.top1_ratio:.1f} %, drop "
        f"{change.drop_pp:+.1f} pp ({low:+.1f} to {high:+.1f}), same answer on "
        f"{100 * change.agreement_ratio:.1f} % of {change.num_images} photos, "
        f"{rung.latency_ratio:.2f}x the latency of float, {rung.duration_s:.0f} s"
    )


def _find_best(rungs: Sequence[Rung], budget: Budget) -> int:
    def cost(index: int) -> tuple[float, ...]:
        change, ratio = rungs[index].change, rungs[index].latency_ratio
        if not budget.holds(change):
            return 1, change.drop_pp, ratio
        return 0, float(ratio > 1), -change.agreement_ratio, ratio

    return min(range(len(rungs)), key=cost)


def _measure_ratio(variant: Variant, files: list[bytes], floats: Engine) -> float:
    engine = open_model(variant, files, threads=1)
    engines = {"int8": engine, "float": floats}
    times = measure_latencies_ms(engines, _NUM_ROUNDS, _NUM_WARMUP)
    engine.close()
    return median_ratio(times["int8"], times["float"])
