"""INT8 for OpenVINO, by NNCF."""

import numpy as np
import pytest

pytest.importorskip("nncf", reason="needs edgecat[train]")

from edgecat.errors import QuantizeError
from edgecat.export.optimize import run_float
from edgecat.quantize.openvino import quantize_for_openvino
from edgecat.runtime.engines.base import open_model
from edgecat.spec import Variant

# As for ONNX Runtime; scales per channel do no worse.
LOGIT_ERROR = 0.2


def test_openvino_runs_in_int8_and_near_to_float(small, cats):
    files = quantize_for_openvino(small, cats[:4], num_float_halvings=2)
    engine = open_model(Variant("openvino-int8", ("m.xml", "m.bin")), files, threads=1)
    expected, logits = run_float(small, cats), engine.run(cats)
    assert engine.describe()["effective_precision"].startswith("int8 (")
    engine.close()
    assert np.sqrt(np.square(logits - expected).mean()) / expected.std() <= LOGIT_ERROR


@pytest.mark.parametrize("num_float_halvings", [-1, 6])
def test_a_float_part_that_the_model_has_not_is_refused(small, cats, num_float_halvings):
    with pytest.raises(QuantizeError, match=f"num_float_halvings={num_float_halvings}"):
        quantize_for_openvino(small, cats[:2], num_float_halvings=num_float_halvings)
