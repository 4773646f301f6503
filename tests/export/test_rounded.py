"""What an engine computes in fewer bits than a model has: of float models, and of INT8 models."""

import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")
pytest.importorskip("openvino", reason="needs edgecat[train]")

from edgecat.bundle.manifest import Variant
from edgecat.export.floats import FloatGraph
from edgecat.export.maker import list_products
from edgecat.export.rounded import try_rounded
from edgecat.graph.optimize import run_float
from edgecat.graph.to_openvino import export_openvino
from edgecat.photos.input import IMAGENET
from edgecat.progress import Silent
from edgecat.quantize.calibrate import calibrate
from edgecat.quantize.model import Model
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import Recipe
from edgecat.quantize.search import Budget
from edgecat.quantize.step import ValidationSet
from edgecat.runtime.engine import runs_here

pytestmark = pytest.mark.slow  # quantizes

FILES = ("m.xml", "m.bin")
FLOAT, INT8 = Variant("openvino-fp32", FILES), Variant("openvino-int8", FILES)
ROUNDED = {"openvino-fp32": "openvino-bf16", "openvino-int8": "openvino-int8bf16"}

# A network with random weights loses what it may.
ANY_DROP = Budget(max_drop_pp=100)


@pytest.fixture(scope="module")
def models(small, cats):
    quantizer = Quantizer(calibrate(small.optimized, cats), cats)
    int8 = quantizer.make("openvino", Recipe("test", 0, mends_biases=False))
    return Model(FLOAT, export_openvino(small.optimized)), Model(INT8, tuple(int8))


@pytest.fixture(scope="module")
def judge(small, cats):
    expected = run_float(small.optimized, cats)
    validation = ValidationSet(cats, expected.argmax(axis=1), expected, IMAGENET)
    graph = FloatGraph((small.optimized.SerializeToString(), b""), {})
    return lambda models: try_rounded(graph, models, validation, ANY_DROP, Silent())


@pytest.mark.parametrize("kept", [[], [0], [1], [0, 1]])
def test_each_model_that_is_kept_is_rounded_where_the_processor_can(models, judge, kept):
    chosen = [models[i] for i in kept]
    found = judge(chosen)
    wanted = [ROUNDED[model.variant.name] for model in chosen]
    assert [model.variant.name for model in found] == [
        name for name in wanted if runs_here(Variant(name, FILES))
    ]
    for model, of in zip(found, chosen, strict=False):
        assert model.files == of.files
        assert model.change.num_images == 8
        with model.open(threads=1) as engine:
            assert "bf16" in engine.describe()["effective_precision"]


def test_a_product_names_the_files_that_it_shares():
    shared = {
        product.variant.name: product.rounds.name for product in list_products() if product.rounds
    }
    assert shared.items() <= {rounded: of for of, rounded in ROUNDED.items()}.items() | {
        ("ncnn-fp16", "ncnn-fp32")
    }
    for product in list_products():
        if product.rounds:
            assert product.variant.files == product.rounds.files
