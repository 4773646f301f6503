"""INT8 for OpenVINO: integers where dense layers read, near to float."""

import io
from collections import Counter

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs edgecat[train]")
openvino = pytest.importorskip("openvino", reason="needs edgecat[train]")

from edgecat.bundle.manifest import Variant  # noqa: E402
from edgecat.bundle.store import load_bundle  # noqa: E402
from edgecat.errors import EngineError, QuantizeError  # noqa: E402
from edgecat.graph.optimize import run_float  # noqa: E402
from edgecat.quantize.calibrate import calibrate  # noqa: E402
from edgecat.quantize.quantizer import Quantizer  # noqa: E402
from edgecat.quantize.recipe import Recipe  # noqa: E402
from edgecat.runtime.engine import open_model, runs_here  # noqa: E402

pytestmark = pytest.mark.slow  # quantizes

INT8 = Variant("openvino-int8", ("m.xml", "m.bin"))
IN_BF16 = Variant("openvino-int8bf16", INT8.files)

# Root mean square error of the logits, as a share of what they differ by from photo to photo, on
# the released model.
TRAINED_ERROR = 0.3


@pytest.fixture(scope="module")
def trained():
    bundle = load_bundle("cats12")
    return onnx.load_model_from_string(bundle.model_files("onnxruntime-fp32")[0])


@pytest.fixture(scope="module", params=[0, 2])
def made(request, trained, cats):
    return Quantizer(calibrate(trained, cats), cats).make(
        INT8.engine, Recipe("test", request.param)
    ), request.param


def test_answers_are_near_to_float(made, trained, cats):
    engine = open_model(INT8, made[0], threads=1)
    expected, logits = run_float(trained, cats), engine.run(cats)
    engine.close()
    spread = (expected - expected.mean(axis=0)).std()
    assert np.sqrt(np.square(logits - expected).mean()) / spread <= TRAINED_ERROR


def count_int8(model, num_float_stages):
    """Return how many layers a model has in integers, all but depthwise ones, and how many in all.

    With stages in float, the stem is float, too.
    """
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    groups = [a.i for node in layers for a in node.attribute if a.name == "group"]
    num_depthwise = sum(group > 1 for group in groups)
    assert num_depthwise == 11
    return len(layers) - num_depthwise - (num_float_stages > 0), len(layers)


def test_every_dense_layer_behind_the_float_part_runs_in_integers(made, trained, cats):
    files, num_float_stages = made
    engine = open_model(INT8, files, threads=1)
    num_int8, num_layers = count_int8(trained, num_float_stages)
    assert engine.describe()["effective_precision"].startswith(f"int8 ({num_int8} of {num_layers}")
    assert "Transpose" not in [operator.kind for operator in engine.profile(cats[:1], 1)]
    engine.close()


def test_in_bf16_the_same_files_answer_near_to_int8_or_are_refused(made, trained, cats):
    """Where the processor computes in bf16, integers stay integers, and what is float is bf16."""
    files, num_float_stages = made
    if not runs_here(IN_BF16):
        with pytest.raises(EngineError, match="no bf16 arithmetic"):
            open_model(IN_BF16, files, threads=1)
        return
    engine = open_model(IN_BF16, files, threads=1)
    num_int8, num_layers = count_int8(trained, num_float_stages)
    in_bf16 = engine.describe()["effective_precision"]
    assert in_bf16.startswith(f"int8+bf16 ({num_int8} of {num_layers}")
    expected, logits = run_float(trained, cats), engine.run(cats)
    engine.close()
    spread = (expected - expected.mean(axis=0)).std()
    assert np.sqrt(np.square(logits - expected).mean()) / spread <= TRAINED_ERROR


def test_weights_are_stored_as_int8(made):
    files, num_float_stages = made
    graph, weights = io.BytesIO(files[0]), io.BytesIO(files[1])
    model = openvino.Core().read_model(graph, weights)
    kinds = Counter(
        op.get_element_type().get_type_name()
        for op in model.get_ops()
        # not the steps of each channel, nor the small float layers
        if op.get_type_name() == "Constant" and np.prod(op.shape) > max(500, *op.shape, 0)
    )
    assert kinds["i8"] >= 40
    assert kinds["f32"] <= num_float_stages


@pytest.mark.parametrize("num_float_stages", [-1, 6])
def test_a_float_part_that_the_model_has_not_is_refused(quantizer, num_float_stages):
    with pytest.raises(QuantizeError, match=f"num_float_stages={num_float_stages}"):
        quantizer.make(INT8.engine, Recipe("test", num_float_stages))


def test_the_same_model_has_the_same_bytes_however_many_were_made_before(quantizer):
    recipe = Recipe("test", 0, mends_biases=False)
    assert quantizer.make(INT8.engine, recipe) == quantizer.make(INT8.engine, recipe)
