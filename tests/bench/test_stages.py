"""Decode, preprocess, infer and postprocess, timed apart, by the code that answers."""

import contextlib

import numpy as np
import pytest

from edgecat.bench.stages import measure_stages
from edgecat.bundle.store import load_bundle
from edgecat.errors import DatasetError
from edgecat.progress import Silent
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier

NUM_PHOTOS = 8


@pytest.fixture
def bundle(make_bundle, colour_model):
    return load_bundle(make_bundle(files={"model.onnx": colour_model}))


class Recorder:
    """An engine that keeps what it was given."""

    def __init__(self):
        self.name, self.batches = "onnxruntime-fp32", []

    def run(self, batch):
        self.batches.append(batch.copy())
        return np.zeros((len(batch), 3), np.float32)


def measure(bundle, data, **engines):
    return measure_stages(bundle, engines, data, NUM_PHOTOS, Silent())


def test_every_stage_of_every_variant_is_timed(bundle, draw_photos):
    with contextlib.closing(open_engine(bundle, threads=1)) as engine:
        stages = measure(bundle, draw_photos(), first=engine, second=engine)
    assert stages.num_photos == NUM_PHOTOS
    assert set(stages.variants) == {"first", "second"}
    times = [stages.decode_ms, stages.preprocess_ms]
    for own in stages.variants.values():
        times += [own.infer_ms, own.postprocess_ms, own.total_ms]
        for part in (stages.decode_ms, stages.preprocess_ms, own.infer_ms, own.postprocess_ms):
            assert all(own.total_ms[name] > part[name] for name in part)
    for found in times:
        assert list(found) == ["p50", "p90", "p99"]
        assert 0 < found["p50"] <= found["p90"] <= found["p99"]


def test_the_model_sees_the_pixels_that_it_sees_when_it_answers(bundle, draw_photos):
    data, recorder = draw_photos(), Recorder()
    measure(bundle, data, recorder=recorder)
    with Classifier.open(bundle.path) as classifier:
        wanted = {classifier.load_pixels(path).tobytes() for path in data.rglob("*.jpg")}
    assert {batch.tobytes() for batch in recorder.batches} <= wanted
    assert len({batch.tobytes() for batch in recorder.batches}) == NUM_PHOTOS


def test_of_many_photos_some_of_all_classes_are_taken(bundle, draw_photos):
    data, recorder = draw_photos(num_classes=NUM_PHOTOS, num_per_class=3), Recorder()
    measure(bundle, data, recorder=recorder)
    with Classifier.open(bundle.path) as classifier:
        class_of = {
            classifier.load_pixels(path).tobytes(): path.parent.name for path in data.rglob("*.jpg")
        }
    assert {class_of[batch.tobytes()] for batch in recorder.batches} == set(class_of.values())


def test_no_photos_are_an_error(bundle, tmp_path):
    with pytest.raises(DatasetError):
        measure(bundle, tmp_path / "nowhere", recorder=Recorder())
