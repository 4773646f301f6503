"""The steps of the search: ways to make an INT8 model, from cheap to dear.

Each cures what the one before it suffers from. What each is worth stands in
benchmarks/int8/INT8.md, from benchmarks/results/*/export_cats.json.
"""

import dataclasses

from edgecat.registry import Registry

SEARCHES = ("quick", "full")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One way to make an INT8 model.

    Attributes:
        title: What it does beyond the step before.
        num_float_stages: How far the first, float part goes: see
            `edgecat.quantize.rescale.float_nodes`.
        cuts_ranges: Whether a tensor's range may cut rare large values off, so that the frequent
            ones are rounded more finely.
        mends_biases: Whether biases take up what rounding adds to each channel's mean.
        distils: Whether the weights are trained to answer as the float graph does: minutes, where
            the others take seconds.
    """

    title: str
    num_float_stages: int
    cuts_ranges: bool = True
    mends_biases: bool = True
    distils: bool = False


#: By the name of the form (`edgecat.quantize.form`) that they are for.
RECIPES: Registry[tuple[Recipe, ...]] = Registry("edgecat.quantize.recipes", "recipes for")


def choose_recipes(form: str, search: str) -> tuple[Recipe, ...]:
    """Return the recipes to try, in order.

    Args:
        form: Its name, that of an engine.
        search: One of `SEARCHES`: "quick" leaves distillation out.
    """
    return tuple(recipe for recipe in RECIPES.load(form) if search == "full" or not recipe.distils)
