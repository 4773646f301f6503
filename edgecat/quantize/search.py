"""From the cheapest INT8 recipe to the dearest: stop at the first that surely keeps its accuracy.

Recipes are compared on validation photos, never on test photos; what the chosen one is worth is
reported on the test photos afterwards.

A drop measured on 300 photos is an estimate, so a step ends the search only if what it loses is
surely within the budget: up to the end of the 95 % interval, and photos that it gains, which are
luck, make up for none that it loses. Or if it loses no photo: then these can show no step that
loses less. Where neither holds, the best of those whose drop itself is within the budget
is taken: no slower than float if possible, then the one that changes the fewest answers, a finer
measure of damage than the drop, in which answers lost and gained cancel.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from edgecat.errors import ConfigError
from edgecat.progress import Progress
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT, WEIGHT_LIMIT
from edgecat.quantize.recipe import SEARCHES, Recipe
from edgecat.quantize.step import SearchStep
from edgecat.runtime.target import TARGETS
from edgecat.scores.compare import DEFAULT_MAX_DROP_PP, AccuracyChange
from edgecat.scores.metrics import paired_interval_pp


@dataclasses.dataclass(frozen=True)
class Budget:
    """What INT8 may cost.

    Attributes:
        max_drop_pp: Most that top-1 may drop, percentage points, 0-100. One single photo never
            counts as over budget: a small validation split cannot tell it from none.
        targets: Processors, of `edgecat.runtime.target.TARGETS`, that must compute the same.
        search: Of `SEARCHES`.
        allows_drop: Whether to keep the best step even if it is over budget.
    """

    max_drop_pp: float = DEFAULT_MAX_DROP_PP
    targets: tuple[str, ...] = dataclasses.field(default_factory=lambda: TARGETS.names)
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
        if not self.targets or not all(target in TARGETS for target in self.targets):
            raise ConfigError(
                f"--targets {','.join(self.targets)}: accepted are auto (all) or some of "
                f"{', '.join(TARGETS.names)}, such as --targets {','.join(TARGETS.names[:2])}"
            )
        if self.search not in SEARCHES:
            raise ConfigError(f"--search {self.search}: accepted are {' and '.join(SEARCHES)}")

    @property
    def weight_limit(self) -> int:
        """Return the largest |weight| as an integer: less where sums of 16 bits would saturate."""
        saturates = any(TARGETS.load(target).saturates for target in self.targets)
        return SAFE_WEIGHT_LIMIT if saturates else WEIGHT_LIMIT

    def holds(self, change: AccuracyChange) -> bool:
        """Tell whether a drop, as measured, is within the budget."""
        return change.is_within(self.max_drop_pp)

    def ends_search(self, change: AccuracyChange) -> bool:
        """Tell whether what is lost is surely within the budget, or nothing was lost."""
        _, most_pp = paired_interval_pp(change.num_lost, 0, change.num_images)
        return most_pp <= self.max_drop_pp or change.num_lost == 0


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        chosen: The step that was taken.
        steps: All that were tried.
    """

    chosen: SearchStep
    steps: tuple[SearchStep, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for the bundle."""
        steps = [step.to_dict() for step in self.steps]
        return {"chosen": self.chosen.recipe.title, "steps": steps}


def search_recipes(
    variant: str,
    recipes: Sequence[Recipe],
    try_recipe: Callable[[Recipe], SearchStep],
    budget: Budget,
    progress: Progress,
) -> SearchResult:
    """Find a recipe for an INT8 variant.

    Args:
        variant: Its name.
        recipes: To try, from cheap to dear; one or more.
        try_recipe: As `edgecat.quantize.step.Study.try_recipe`.
        budget: What INT8 may cost.
        progress: Told of each step.

    Returns:
        The first step that ends the search, or else the best, which may be over the budget: ask
        `budget.holds(result.chosen.change)`.
    """
    steps: list[SearchStep] = []
    for recipe in recipes:
        steps.append(try_recipe(recipe))
        progress.say(f"{variant}: {steps[-1].describe()}")
        if budget.ends_search(steps[-1].change):
            break
    chosen = steps[-1] if budget.ends_search(steps[-1].change) else _find_best(steps, budget)
    progress.say(f"{variant}: chosen: {chosen.recipe.title}")
    return SearchResult(chosen, tuple(steps))


def _find_best(steps: Sequence[SearchStep], budget: Budget) -> SearchStep:
    def cost(step: SearchStep) -> tuple[float, ...]:
        change, ratio = step.change, step.latency_ratio
        if not budget.holds(change):
            return 1, change.drop_pp, ratio
        return 0, float(ratio > 1), -change.agreement_ratio, ratio

    return min(steps, key=cost)
