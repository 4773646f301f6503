"""The INT8 models: for each engine the cheapest recipe that surely keeps its accuracy."""

import dataclasses
from functools import partial
from pathlib import Path

from edgecat.errors import AccuracyLost
from edgecat.export.floats import ProvenFloats
from edgecat.export.maker import list_products
from edgecat.progress import Progress
from edgecat.quantize.model import Model
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import choose_recipes
from edgecat.quantize.search import Budget, SearchResult, search_recipes
from edgecat.quantize.step import Study, ValidationSet


@dataclasses.dataclass(frozen=True)
class Int8Models:
    """What the searches came to.

    Attributes:
        models: Those within the budget.
        searches: All that was tried, by variant.
        refused: Those over it.
        budget: What was allowed; None where nothing was searched.
    """

    models: tuple[Model, ...] = ()
    searches: dict[str, SearchResult] = dataclasses.field(default_factory=dict)
    refused: tuple[Model, ...] = ()
    budget: Budget | None = None


def search_int8(
    floats: ProvenFloats,
    quantizer: Quantizer,
    validation: ValidationSet,
    budget: Budget,
    progress: Progress,
) -> Int8Models:
    """Search an INT8 model for each engine.

    Args:
        floats: The float models.
        quantizer: Of the graph that they were made from.
        validation: Validation photos.
        budget: What INT8 may cost.
        progress: Told of each step.

    Raises:
        QuantizeError: The checkpoint cannot be quantized.
    """
    studies = [
        Study(
            product.variant,
            quantizer,
            floats.find(product.exact),
            validation,
            budget.weight_limit,
        )
        for product in list_products()
        if product.precision.made == "quantized"
    ]
    searches = {study.variant.name: _search(study, budget, progress) for study in studies}
    kept: list[Model] = []
    refused: list[Model] = []
    for study, found in zip(studies, searches.values(), strict=True):
        is_kept = budget.allows_drop or budget.holds(found.chosen.change)
        model = Model(study.variant, found.chosen.files, found.chosen.change)
        (kept if is_kept else refused).append(model)
    return Int8Models(tuple(kept), searches, tuple(refused), budget)


def refuse_lost(found: Int8Models, out: Path) -> None:
    """Say that a bundle was written without the models that are over budget.

    Raises:
        AccuracyLost: There are such.
    """
    if found.budget and found.refused:
        losses = (f"refused: the best step of {model.describe_loss()}" for model in found.refused)
        raise AccuracyLost(
            f"{', '.join(losses)}; {out} was written without. Accepted is a drop of at most "
            f"{found.budget.max_drop_pp:g} pp on the validation photos (--max-drop). More training "
            "photos or more epochs usually help, --search full if it was quick; --allow-drop keeps "
            "the best all the same."
        )


def _search(study: Study, budget: Budget, progress: Progress) -> SearchResult:
    name = study.variant.name
    recipes = choose_recipes(study.variant.engine, budget.search)
    try_recipe = partial(study.try_recipe, progress=progress)
    return search_recipes(name, recipes, try_recipe, budget, progress)
