"""INT8 for OpenVINO, by NNCF."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs edgecat[train]")
pytest.importorskip("nncf", reason="needs edgecat[train]")

from edgecat.bundle import load_bundle  # noqa: E402
from edgecat.errors import QuantizeError  # noqa: E402
from edgecat.export.optimize import run_float  # noqa: E402
from edgecat.quantize.openvino import quantize_for_openvino  # noqa: E402
from edgecat.runtime.engines.base import open_model  # noqa: E402
from edgecat.spec import Variant  # noqa: E402

# Root mean square error of the logits, as a share of what they differ by from photo to photo, on
# the released model: 0.21 measured. The random network of the other tests is no judge: 0.7 to 0.8
# at any setting.
TRAINED_ERROR = 0.3


def test_openvino_runs_in_int8_and_near_to_float(cats):
    bundle = load_bundle("cats12")
    model = onnx.load_model_from_string(bundle.read("onnxruntime-fp32.onnx"))
    files = quantize_for_openvino(model, cats, num_float_halvings=2)
    engine = open_model(Variant("openvino-int8", ("m.xml", "m.bin")), files, threads=1)
    expected, logits = run_float(model, cats), engine.run(cats)
    assert engine.describe()["effective_precision"].startswith("int8 (")
    engine.close()
    spread = (expected - expected.mean(axis=0)).std()
    assert np.sqrt(np.square(logits - expected).mean()) / spread <= TRAINED_ERROR


@pytest.mark.parametrize("num_float_halvings", [-1, 6])
def test_a_float_part_that_the_model_has_not_is_refused(small, cats, num_float_halvings):
    with pytest.raises(QuantizeError, match=f"num_float_halvings={num_float_halvings}"):
        quantize_for_openvino(small, cats[:2], num_float_halvings=num_float_halvings)
