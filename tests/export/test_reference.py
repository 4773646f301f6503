"""What a bundle's reference says of the validation photos that its thresholds were chosen by."""

import numpy as np
import pytest

from edgecat.bundle.reference import Answered

pytest.importorskip("onnx", reason="needs onnx (edgecat[train])")

from edgecat.export.ood import FittedDetector
from edgecat.scores.ood import fit_detector

NONE = np.empty((0, 4), np.float32)


def test_each_variant_has_its_scores_sorted_and_its_answers_counted():
    logits = np.array([[3, 0], [0, 3], [2, 1], [1, 2]], np.float32)
    features = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    first, second = np.array([0.5, -1.25, 2.0, 0.0]), np.array([1.0, 1.0, 1.0, 1.0])
    fitted = FittedDetector(
        fit_detector(logits, features), (1.0, 1.0), NONE, NONE, ((logits, first), (logits, second))
    )
    reference = fitted.to_reference(["a-fp32", "a-int8"], ["cat", "dog"])
    assert reference.variants == {
        "a-fp32": Answered((-1.25, 0.0, 0.5, 2.0), {"cat": 1, "dog": 2, "unknown": 1}),
        "a-int8": Answered((1.0, 1.0, 1.0, 1.0), {"cat": 2, "dog": 2}),
    }
