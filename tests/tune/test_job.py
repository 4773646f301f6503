"""A whole tuning of a real, tiny bundle: what is measured, what is chosen, what is refused."""

import hashlib

import pytest
from PIL import Image

from edgecat.bundle.golden import GOLDEN_FILE, Golden
from edgecat.bundle.manifest import Variant
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, PhotoRecord
from edgecat.bundle.store import load_bundle
from edgecat.bundle.verdict import Verdict
from edgecat.errors import DatasetError, EngineError
from edgecat.export.golden import build_golden
from edgecat.machine.cores import count_threads
from edgecat.photos.input import IMAGENET
from edgecat.progress import Silent
from edgecat.runtime.choice import open_engine
from edgecat.runtime.target import TARGETS
from edgecat.tune import race
from edgecat.tune.accuracy import find_max_drop_pp, measure_changes
from edgecat.tune.job import TuneJob, tune
from edgecat.tune.worker import Candidate

pytestmark = pytest.mark.slow  # starts processes

FP32, INT8 = "onnxruntime-fp32", "onnxruntime-int8"
NOWHERE = Verdict((), dict.fromkeys(TARGETS.names, "over budget"), "arm", 0.5)


@pytest.fixture(scope="module")
def negative_model(colour_model):
    """The colour model, but it answers the colour that is there least."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    model = onnx.load_from_string(colour_model)
    model.graph.node[-1].output[0] = "means"
    model.graph.node.append(onnx.helper.make_node("Neg", ["means"], ["logits"]))
    return model.SerializeToString()


@pytest.fixture
def make_colours(make_bundle, colour_model):
    """A function that makes a bundle of a float and an INT8 variant, each of its own model."""

    def make(int8_model=colour_model, verdict=None, **more):
        files = {"model.onnx": colour_model, "int8.onnx": int8_model}
        variants = (Variant(FP32, ("model.onnx",)), Variant(INT8, ("int8.onnx",), verdict=verdict))
        return load_bundle(make_bundle(files=files, variants=variants, **more))

    return make


@pytest.fixture
def colour_photos(tmp_path):
    """Labelled photos of plain colours."""
    for label, colour in {"red": (250, 9, 9), "green": (9, 250, 9), "blue": (9, 9, 250)}.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(4):
            place = tmp_path / "data" / label / f"{number}.png"
            Image.new("RGB", (64 + number, 64), colour).save(place)
    return tmp_path / "data"


def start(bundle, seconds=0.5, **options):
    return tune(TuneJob(bundle, seconds=seconds, **options), Silent())


def test_every_variant_is_measured_with_every_number_of_threads(make_colours):
    tuning = start(make_colours())
    measured = {(timing.variant, timing.threads) for timing in tuning.timings}
    numbers = range(1, min(4, count_threads()) + 1)
    assert measured >= {(name, number) for name in (FP32, INT8) for number in numbers}
    assert (tuning.variant, tuning.threads) in measured
    assert (tuning.reference, tuning.is_partial) == ("onnxruntime-fp32 with 1 thread", False)
    ratios = [timing.ratio for timing in tuning.timings]
    assert ratios == sorted(ratios)


def test_a_variant_that_does_not_open_is_skipped_with_the_reason(make_colours):
    tuning = start(make_colours(b"no model"))
    assert {timing.variant for timing in tuning.timings} == {FP32}
    assert tuning.skipped[INT8].startswith("ONNX Runtime ")  # its name is told before


def test_where_nothing_opens_there_is_nothing_to_choose(make_bundle):
    with pytest.raises(EngineError, match=r"^onnxruntime-fp32: ONNX Runtime refuses the model"):
        start(load_bundle(make_bundle()))


def test_a_variant_that_answers_otherwise_here_is_skipped(make_bundle, make_colours, colour_model):
    plain = make_colours(name="plain")
    golden = build_golden([open_engine(plain, name, 1) for name in (FP32, INT8)], IMAGENET)
    changed = Golden(
        tuple(
            type(photo)(
                photo.name,
                photo.base64,
                photo.pixels_sha256,
                photo.logits | {INT8: tuple(x + 9 for x in photo.logits[INT8])},
            )
            for photo in golden.photos
        )
    )
    files = {"model.onnx": colour_model, GOLDEN_FILE: changed.to_json().encode()}
    variants = tuple(Variant(name, ("model.onnx",)) for name in (FP32, INT8))
    tuning = start(load_bundle(make_bundle(files=files, variants=variants, name="changed")))
    assert {timing.variant for timing in tuning.timings} == {FP32}
    assert "logits of onnxruntime-int8 are up to" in tuning.skipped[INT8]


def test_a_variant_that_loses_accuracy_here_is_not_chosen(
    make_colours, negative_model, colour_photos
):
    tuning = start(make_colours(negative_model), data=colour_photos)
    assert tuning.variant == FP32
    assert tuning.accuracies[INT8].drop_pp == pytest.approx(100)
    assert (tuning.accuracies[FP32].drop_pp, tuning.accuracies[FP32].num_images) == (0, 12)
    unfit = {timing.variant: timing.unfit for timing in tuning.timings}
    assert unfit == {FP32: "", INT8: "loses 100.0 pp on 12 photos, allowed are 1"}


class Notes(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_a_loss_on_photos_that_the_model_was_trained_on_is_told_as_such(
    make_bundle, colour_model, colour_photos
):
    photo = (colour_photos / "red" / "0.png").read_bytes()
    record = PhotoRecord(train=(hashlib.sha256(photo).hexdigest()[:16],))
    files = {"model.onnx": colour_model, PHOTO_RECORD_FILE: record.to_json().encode()}
    notes = Notes()
    measure_changes(
        load_bundle(make_bundle(files=files)), [Candidate(FP32, 1)], colour_photos, notes
    )
    assert any(
        "CAREFUL: the model was trained on 1 of these photos" in line for line in notes.lines
    )


def test_what_ships_nowhere_is_chosen_only_where_photos_prove_it(make_colours, colour_photos):
    bundle = make_colours(verdict=NOWHERE)
    unfit = {timing.variant: timing.unfit for timing in start(bundle).timings}
    assert "(over budget); prove it here with --data" in unfit[INT8]
    tuning = start(bundle, data=colour_photos)
    assert {timing.unfit for timing in tuning.timings} == {""}


def test_data_that_is_none_is_refused_before_anything_is_measured(make_colours, tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        start(make_colours(), data=tmp_path / "nowhere")


def test_who_asks_for_the_end_early_gets_nothing_and_late_a_part(make_colours, monkeypatch):
    bundle = make_colours()
    assert start(bundle, is_stopping=lambda: True) is None
    # It asks before each candidate, and each round: 50 at most to get warm, 6 at least that count.
    # With a margin of 0 it does not end by itself before.
    monkeypatch.setattr(race, "_MARGIN_RATIO", 0.0)
    asked = iter([False] * 80)
    tuning = start(bundle, seconds=60, is_stopping=lambda: next(asked, True))
    assert tuning.is_partial


@pytest.mark.parametrize(
    ("provenance", "allowed_pp"),
    [
        ({"budget": {"max_drop_pp": 2.5}}, 2.5),
        ({"budget": None}, 1.0),
        ({}, 1.0),
        ({"budget": {"max_drop_pp": "all"}}, 1.0),
        ({"budget": {"max_drop_pp": 1e9}}, 1.0),
    ],
)
def test_the_budget_is_what_the_export_was_given(make_bundle, provenance, allowed_pp):
    assert find_max_drop_pp(load_bundle(make_bundle(provenance=provenance)).spec) == allowed_pp
