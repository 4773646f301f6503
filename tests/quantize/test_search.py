"""The search: the first recipe that is proven good enough, or the best."""

import dataclasses
from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")

from edgecat.bundle.manifest import Variant
from edgecat.errors import ConfigError
from edgecat.graph.optimize import run_float
from edgecat.photos.input import IMAGENET
from edgecat.progress import Silent
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT, WEIGHT_LIMIT
from edgecat.quantize.model import Model
from edgecat.quantize.recipe import RECIPES, Recipe, choose_recipes
from edgecat.quantize.search import Budget, search_recipes
from edgecat.quantize.step import SearchStep, Study, ValidationSet
from edgecat.scores.compare import compare_accuracy

pytestmark = pytest.mark.slow  # quantizes and distils

INT8 = Variant("onnxruntime-int8", ("m.onnx",))
FLOAT = Variant("onnxruntime-fp32", ("m.onnx",))

NUM = 200


@dataclasses.dataclass
class Tried:
    """What a step answers: so many photos wrong, of the others so many differently wrong or right.

    And its speed.
    """

    num_wrong: int
    num_changed: int = 0
    ratio: float = 0.8
    num_gained: int = 0


@pytest.fixture
def search_with():
    """Search through steps whose answers and latencies are given."""
    targets = np.zeros(NUM, np.int64)
    expected = np.tile(np.array([2, 1, 0], np.float32), (NUM, 1))
    expected[NUM // 2 :] = [0, 2, 1]  # the second half is wrong already

    def answers(tried):
        logits = expected.copy()
        logits[: tried.num_wrong] = [0, 1, 2]
        logits[NUM // 2 : NUM // 2 + tried.num_changed] = [0, 1, 2]
        logits[NUM - tried.num_gained :] = [2, 1, 0]
        return logits

    def run(*steps, max_drop_pp=1.0):
        def try_recipe(recipe):
            tried = steps[int(recipe.title)]
            change = compare_accuracy(expected, answers(tried), targets)
            return SearchStep((), recipe, change, tried.ratio, duration_s=0)

        recipes = [Recipe(str(number), 2) for number in range(len(steps))]
        found = search_recipes(INT8.name, recipes, try_recipe, Budget(max_drop_pp), Silent())
        return int(found.chosen.recipe.title), len(found.steps)

    return run


@pytest.mark.parametrize(
    ("steps", "chosen", "num_tried"),
    [
        ([Tried(0), Tried(0)], 0, 1),
        # 2 of 200 are 1 pp, but the interval reaches beyond it
        ([Tried(2), Tried(0)], 1, 2),
        ([Tried(9), Tried(2), Tried(8)], 1, 3),
        ([Tried(9), Tried(8), Tried(9)], 1, 3),
        # both within: the one that changes fewer answers
        ([Tried(2, num_changed=5), Tried(2, num_changed=1)], 1, 2),
        # slower than float only where nothing else is within
        ([Tried(2, num_changed=5), Tried(2, num_changed=1, ratio=1.2)], 0, 2),
        ([Tried(9), Tried(2, ratio=1.2)], 1, 2),
        ([Tried(2, ratio=0.9), Tried(2, ratio=0.7)], 1, 2),
    ],
    ids=["loses none", "not yet proven", "within", "best of bad", "agreement",
         "no slower than float", "slower but the only one", "equal, faster"],
)  # fmt: skip
def test_the_first_step_that_ends_the_search_is_taken_or_the_best(
    search_with, steps, chosen, num_tried
):
    assert search_with(*steps) == (chosen, num_tried)


def test_a_larger_budget_stops_earlier(search_with):
    assert search_with(Tried(2), Tried(0), max_drop_pp=5) == (0, 1)


def test_photos_that_are_gained_make_up_for_none_that_is_lost(search_with):
    lucky, steady = Tried(1, num_gained=4), Tried(1)
    assert search_with(lucky, steady, max_drop_pp=2) == (1, 2)


def change_of(num_wrong, num_images):
    targets = np.zeros(num_images, np.int64)
    expected = np.tile(np.array([1, 0], np.float32), (num_images, 1))
    answers = expected.copy()
    answers[:num_wrong] = [0, 1]
    return compare_accuracy(expected, answers, targets)


@pytest.mark.parametrize(
    ("num_wrong", "num_images", "max_drop_pp", "holds"),
    [(0, 20, 0, True), (1, 20, 1, True), (2, 20, 1, False), (3, 300, 1, True), (4, 300, 1, False)],
)
def test_one_photo_is_never_over_budget(num_wrong, num_images, max_drop_pp, holds):
    assert Budget(max_drop_pp).holds(change_of(num_wrong, num_images)) is holds


@pytest.mark.parametrize("max_drop_pp", [-0.1, 100.1, float("nan"), float("inf")])
def test_a_budget_that_is_no_percentage_is_refused(max_drop_pp):
    with pytest.raises(ConfigError, match="--max-drop"):
        Budget(max_drop_pp)


@pytest.mark.parametrize("targets", [(), ("",), ("x86",), ("arm", "riscv")])
def test_unknown_targets_are_refused(targets):
    with pytest.raises(ConfigError, match="x86-avx2"):
        Budget(targets=targets)


def test_an_unknown_search_is_refused():
    with pytest.raises(ConfigError, match="quick and full"):
        Budget(search="slow")


def test_only_processors_without_vnni_ask_for_smaller_weights():
    assert Budget().weight_limit == SAFE_WEIGHT_LIMIT
    assert Budget(targets=("x86-avx2",)).weight_limit == SAFE_WEIGHT_LIMIT
    assert Budget(targets=("x86-vnni", "arm")).weight_limit == WEIGHT_LIMIT


@pytest.mark.parametrize("form", RECIPES.names)
def test_the_quick_search_is_the_full_one_without_distillation(form):
    quick, full = choose_recipes(form, "quick"), choose_recipes(form, "full")
    assert not any(step.distils for step in quick)
    assert any(step.distils for step in full)
    assert [step for step in full if step in quick] == list(quick)


def test_the_real_search_returns_a_model_that_runs(small, quantizer, cats):
    expected = run_float(small, cats)
    validation = ValidationSet(cats, expected.argmax(axis=1), expected, IMAGENET)
    floats = Model(FLOAT, (small.SerializeToString(),))
    study = Study(INT8, quantizer, floats, validation, SAFE_WEIGHT_LIMIT)
    recipes = choose_recipes(INT8.engine, "quick")
    try_recipe = partial(study.try_recipe, progress=Silent())
    found = search_recipes(INT8.name, recipes, try_recipe, Budget(), Silent())
    with Model(INT8, found.chosen.files).open() as engine:
        assert engine.run(cats[:1]).shape == (1, 12)
    assert found.chosen in found.steps
    assert all(step.change.num_images == len(cats) for step in found.steps)
    assert all(0 < step.latency_ratio < 100 for step in found.steps)
    assert found.to_dict()["chosen"] == found.chosen.recipe.title
