"""The INT8 models: for each engine the cheapest recipe that surely keeps its accuracy."""

import dataclasses
from functools import partial
from pathlib import Path

from edgecat.errors import AccuracyLost
from edgecat.export.cache import StageCache
from edgecat.export.entry import hash_parts
from edgecat.export.floats import FloatGraph, ProvenFloats
from edgecat.export.maker import list_products
from edgecat.export.sets import Source, load_distillation_set
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.calibrate import Calibrated, calibrate
from edgecat.quantize.model import Model
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import Recipe, choose_recipes
from edgecat.quantize.search import Budget, SearchResult, search_recipes
from edgecat.quantize.step import SearchStep, Study, ValidationSet


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


@dataclasses.dataclass(frozen=True)
class Int8Material:
    """What INT8 models are made from and measured by.

    Attributes:
        source: The run.
        graph: Its float graph.
        floats: Each engine's float model.
        calibration: uint8 `[N, H, W, 3]`, RGB: training photos that set ranges.
        validation: Validation photos.
    """

    source: Source
    graph: FloatGraph
    floats: ProvenFloats
    calibration: Pixels
    validation: ValidationSet


def search_int8(
    material: Int8Material, budget: Budget, cache: StageCache, progress: Progress
) -> Int8Models:
    """Search an INT8 model for each engine.

    Args:
        material: To make them from.
        budget: What INT8 may cost.
        cache: Keeps the calibration and every recipe tried.
        progress: Told of each step.

    Raises:
        QuantizeError: The checkpoint cannot be quantized.
    """
    source, calibration = material.source, material.calibration
    calibrated = _calibrate(material, cache)
    quantizer = Quantizer(calibrated, calibration, partial(load_distillation_set, source))
    kept: list[Model] = []
    refused: list[Model] = []
    searches: dict[str, SearchResult] = {}
    for product in list_products():
        if product.precision.made != "quantized" or not material.floats.has(product.exact):
            continue
        variant, floating = product.variant, material.floats.find(product.exact)
        study = Study(variant, quantizer, floating, material.validation, budget.weight_limit)
        recipes = choose_recipes(variant.engine, budget.search)
        try_recipe = partial(_try_recipe, study, source, cache, progress)
        found = search_recipes(variant.name, recipes, try_recipe, budget, progress)
        searches[variant.name] = found
        is_kept = budget.allows_drop or budget.holds(found.chosen.change)
        model = Model(variant, found.chosen.files, found.chosen.change)
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


def _calibrate(material: Int8Material, cache: StageCache) -> Calibrated:
    source = material.source
    inputs = {
        "graph": hash_parts(material.graph.files),
        "photos to calibrate with": source.photos.hash_of(source.sets.calibration),
    }
    make = partial(calibrate, material.graph.model, material.calibration)
    return cache.recall("calibration", inputs, Calibrated, make)


def _try_recipe(
    study: Study, source: Source, cache: StageCache, progress: Progress, recipe: Recipe
) -> SearchStep:
    photos, sets = source.photos, source.sets
    inputs = {
        "weights": source.checkpoint.weights_sha256,
        "calibrated graph": hash_parts(study.quantizer.calibrated.files),
        "float model": hash_parts(study.floats.files),
        "recipe": dataclasses.asdict(recipe),
        "largest weight": study.weight_limit,
        "photos to calibrate with": photos.hash_of(sets.calibration),
        "photos to distil with": photos.hash_of(sets.distillation) if recipe.distils else None,
        "validation photos": photos.hash_of(sets.validation),
    }
    make = partial(study.try_recipe, recipe, progress)
    return cache.recall(f"{study.variant.name}, {recipe.title}", inputs, SearchStep, make)
