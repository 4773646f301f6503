"""No answer that is not finite gets past an engine."""

import numpy as np
import pytest

from edgecat.errors import EngineError, NotFiniteError
from edgecat.runtime.checked import CheckedEngine
from edgecat.runtime.classifier import Classifier

ONE = np.zeros((1, 224, 224, 3), np.uint8)


class FakeEngine:
    name = "onnxruntime-fp32"

    def __init__(self, logits, features):
        self.logits, self.features = logits, features

    def run(self, batch):
        return self.logits

    def run_with_features(self, batch):
        return self.logits, self.features


GOOD = np.zeros((1, 3), np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(value):
    bad = np.array([[0, value, 1]], np.float32)
    with pytest.raises(NotFiniteError, match=r"onnxruntime-fp32: logits .*not finite.*--variant"):
        CheckedEngine(FakeEngine(bad, GOOD)).run(ONE)
    with pytest.raises(NotFiniteError, match=r"onnxruntime-fp32: features .*not finite"):
        CheckedEngine(FakeEngine(GOOD, bad)).run_with_features(ONE)


@pytest.mark.parametrize(
    "wrong", [GOOD.astype(np.float64), GOOD[0], np.zeros((2, 3), np.float32), GOOD[None]]
)
def test_answers_of_another_form_are_refused(wrong):
    with pytest.raises(EngineError, match="expected float32 with a row a photo"):
        CheckedEngine(FakeEngine(wrong, GOOD)).run(ONE)


def test_a_model_whose_library_gives_up_is_told_by_its_name():
    class GivingUp(FakeEngine):
        def run(self, batch):
            raise RuntimeError("indices out of bounds\nand a trace")

    with pytest.raises(
        EngineError,
        match=r"fp32 does not answer uint8 \[1, 224.*\(indices out of bounds and a trace\); cho",
    ):
        CheckedEngine(GivingUp(GOOD, GOOD)).run(ONE)


def test_a_photo_on_which_a_model_overflows_gets_an_error_and_the_next_one_an_answer(
    make_bundle, overflowing_model
):
    folder = make_bundle(files={"model.onnx": overflowing_model})
    with Classifier.open(folder) as classifier:
        with pytest.raises(NotFiniteError, match=r"onnxruntime-fp32: logits of a photo are not"):
            classifier.predict(np.full((300, 300, 3), 200, np.uint8))
        assert classifier.predict(np.full((300, 300, 3), (9, 190, 190), np.uint8)).label == "red"
