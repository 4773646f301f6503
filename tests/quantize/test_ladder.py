"""The ladder: the first recipe that is good enough, or the best."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")

import onnx
from onnx import numpy_helper

from edgecat.export.optimize import run_float
from edgecat.progress import Silent
from edgecat.quantize import ladder
from edgecat.quantize.ladder import Judges, climb
from edgecat.runtime.engines.base import open_model
from edgecat.spec import Variant

INT8 = Variant("onnxruntime-int8", ("m.onnx",))


@pytest.fixture
def fake_ladder(small, cats, monkeypatch):
    """A function that sets how many of 16 answers each rung gets wrong."""
    expected = run_float(small, cats)
    targets = expected.argmax(axis=1)

    def make(num_wrong):
        right = {halvings: 16 - num for halvings, num in num_wrong.items()}

        class Engine:
            def __init__(self, files):
                self._num_right = int(files[0])
                self._given = 0

            def run(self, batch):
                rows = np.arange(self._given, self._given + len(batch)) % len(expected)
                self._given += len(batch)
                hit = rows < self._num_right
                return np.where(hit[:, None], expected[rows], -expected[rows])

            def close(self):
                pass

        def quantize(graph, calibration, halvings):
            return [str(right[halvings]).encode()]

        monkeypatch.setattr(ladder, "_QUANTIZERS", {INT8.name: quantize})
        monkeypatch.setattr(ladder, "RUNGS", {INT8.name: tuple(num_wrong)})
        monkeypatch.setattr(ladder, "open_model", lambda variant, files: Engine(files))
        judges = Judges(cats, targets, expected)
        return climb(INT8, small, cats[:2], judges, Silent())

    return make


@pytest.mark.parametrize(
    ("num_wrong", "tried", "chosen"),
    [
        ({2: 0, 4: 0}, [2], 2),
        ({2: 1, 4: 0}, [2], 2),
        ({2: 5, 4: 0, 5: 0}, [2, 4], 4),
        ({2: 5, 4: 3, 5: 4}, [2, 4, 5], 4),
        ({2: 3, 4: 3}, [2, 4], 2),
    ],
    ids=["good", "one photo lost", "second is good", "best of bad", "the faster of equal"],
)
def test_the_first_good_rung_is_taken_or_the_best(fake_ladder, num_wrong, tried, chosen):
    files, rungs = fake_ladder(num_wrong)
    assert [rung.num_float_halvings for rung in rungs] == tried
    assert [rung.change.num_lost for rung in rungs] == [num_wrong[halvings] for halvings in tried]
    assert files == [str(16 - num_wrong[chosen]).encode()]


def test_the_real_ladder_returns_a_model_that_runs(small, cats, monkeypatch):
    monkeypatch.setattr(ladder, "RUNGS", {INT8.name: (2,)})
    expected = run_float(small, cats)
    judges = Judges(cats, expected.argmax(axis=1), expected)
    files, (rung,) = climb(INT8, small, cats[:4], judges, Silent())
    assert open_model(INT8, files).run(cats[:1]).shape == (1, 12)
    assert rung.change.num_images == len(cats)
    weights = onnx.load_model_from_string(files[0]).graph.initializer
    assert any(numpy_helper.to_array(tensor).dtype == np.int8 for tensor in weights)
