"""What lean networks cost and save, of all seeds together."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.optimize.lean_variants import Asked, pool
from edgecat.scores.answers import Answers

RIGHT = np.eye(3, dtype=np.float32)
REFERENCE = Answers((), np.arange(3), (), (RIGHT,))


def ask(logits, ratio):
    return Asked(("no-se",), ratio, 2 * ratio, REFERENCE, logits)


def test_seeds_are_pooled_photo_by_photo_and_their_times_are_averaged():
    wrong_once = RIGHT[[0, 1, 1]]
    seeds = [
        {("x1.50", "onnxruntime-fp32"): ask(wrong_once, 0.2), ("x1.50", "ncnn"): ask(RIGHT, 0.3)},
        {("x1.50", "onnxruntime-fp32"): ask(RIGHT, 0.4)},
    ]
    other, plain = pool(seeds)
    assert (plain["network"], plain["variant"]) == ("x1.50", "onnxruntime-fp32")
    assert plain["latency_ratio"] == pytest.approx(0.3)
    assert plain["ratio_to_same_variant"] == pytest.approx(0.6)
    assert plain["num_images"] == 6
    assert plain["drop_pp"] == pytest.approx(100 / 6)
    assert (other["variant"], other["num_images"], other["drop_pp"]) == ("ncnn", 3, 0)
