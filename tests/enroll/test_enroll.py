"""A class is added from a few photos, proven as any; what cannot be one is refused."""

import dataclasses
import json
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from edgecat.bundle.known_features import load_known_features
from edgecat.bundle.manifest import ModelSpec, Variant
from edgecat.bundle.photo_record import load_photo_record
from edgecat.bundle.reference import REFERENCE_FILE, Answered, Reference, load_reference
from edgecat.bundle.store import load_bundle
from edgecat.cli.main import _run
from edgecat.enroll.job import enroll
from edgecat.errors import BundleError, ConfigError, DatasetError
from edgecat.photos.pixels import load_pixels
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import open_model
from edgecat.runtime.selftest import run_self_test
from edgecat.runtime.tuned import keep_tuning
from tests.conftest import write_bundle
from tests.enroll.conftest import COLOURS, YELLOW, draw_coloured


def files_of(folder):
    return sorted(folder.iterdir())


@pytest.fixture
def enrolled(colours, draw_class, tmp_path):
    """The outcome and the bundle with yellow."""
    out = tmp_path / "four.edgecat"
    return enroll(colours, "yellow", files_of(draw_class()), out), out


def test_the_new_class_is_found_and_the_old_ones_still_are(enrolled):
    outcome, out = enrolled
    assert (outcome.num_photos, outcome.unit.num_found, outcome.unit.num_claimed) == (8, 8, 0)
    rng = np.random.default_rng(9)
    with Classifier.open(out) as classifier:
        assert classifier.labels == ("red", "green", "blue", "yellow")
        for colour, label in zip((*COLOURS, YELLOW), classifier.labels, strict=True):
            answers = [classifier.predict(draw_coloured(rng, colour)) for _ in range(10)]
            assert [answer.label for answer in answers] == [label] * 10
            assert sum(bool(answer.is_known) for answer in answers) >= 8


def test_old_logits_stay_what_they_were(enrolled, colours):
    photos = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    before = open_engine(load_bundle(colours)).run(photos)
    after = open_engine(load_bundle(enrolled[1])).run(photos)
    assert after.shape == (4, 4)
    assert np.array_equal(after[:, :3], before)


def test_the_new_bundle_passes_its_self_test_and_tells_its_history(enrolled, colours):
    bundle = load_bundle(enrolled[1])
    assert run_self_test(bundle, open_engine(bundle)).num_photos == 1
    (entry,) = bundle.spec.provenance["enrolled"]
    assert (entry["label"], entry["num_photos"], entry["num_found_when_left_out"]) == (
        "yellow", 8, 8,
    )  # fmt: skip
    assert len(load_photo_record(bundle).train) == 9
    before = load_bundle(colours).spec.variants[0].ood_threshold
    assert bundle.spec.variants[0].ood_threshold != before
    assert bundle.spec.release is None
    assert bundle.signature is None


def test_a_runtime_of_before_refuses_it_and_others_stay_readable_there(enrolled, colours):
    assert json.loads((enrolled[1] / "bundle.json").read_text())["schema_version"] == 3
    assert json.loads((colours / "bundle.json").read_text())["schema_version"] == 2


def test_fine_tuning_takes_it_for_what_the_network_was_trained_on(enrolled):
    weights = pytest.importorskip("edgecat.train.weights", reason="needs torch (edgecat[train])")
    assert weights.load_labels(str(enrolled[1])) == ("red", "green", "blue")


def test_an_explanation_of_the_new_class_is_of_its_own_unit(enrolled):
    photo = np.full((256, 256, 3), 90, np.uint8)
    photo[48:80, 112:144] = YELLOW
    with Classifier.open(enrolled[1]) as classifier:
        heat = classifier.explain(photo, label="yellow").heat
    assert np.unravel_index(heat.argmax(), heat.shape) == (1, 3)


def test_a_second_class_is_added_to_the_first(enrolled, draw_class, tmp_path):
    photos = files_of(draw_class((230, 20, 230), name="pink"))
    out = tmp_path / "five.edgecat"
    assert enroll(enrolled[1], "핑크 #1+ & 'b'", photos, out).unit.num_found == 8
    bundle = load_bundle(out)
    assert bundle.spec.labels[3:] == ("yellow", "핑크 #1+ & 'b'")
    assert [entry["label"] for entry in bundle.spec.provenance["enrolled"]] == [
        *bundle.spec.labels[3:]
    ]
    assert set(load_known_features(bundle).train.targets.tolist()) == {0, 1, 2, 3, 4}
    rng = np.random.default_rng(9)
    with Classifier.open(out) as classifier:
        for colour, label in (((230, 20, 230), bundle.spec.labels[4]), (YELLOW, "yellow")):
            assert classifier.predict(draw_coloured(rng, colour)).label == label


def test_the_bundle_may_take_the_place_of_the_one_before(colours, draw_class):
    enroll(colours, "yellow", files_of(draw_class()), colours)
    assert load_bundle(colours).spec.labels[-1] == "yellow"


def test_a_bundle_that_is_called_by_a_dot_keeps_its_name(colours, draw_class, monkeypatch):
    monkeypatch.chdir(colours)
    enroll(".", "yellow", files_of(draw_class()), Path())
    assert load_bundle(colours).spec.name == "colours"


def test_how_the_classes_before_were_answered_is_not_told_of_more_classes(
    tmp_path, colour_files, draw_class
):
    reference = Reference({"onnxruntime-fp32": Answered((1.0,), {"red": 1})}).to_json().encode()
    files = colour_files["files"] | {REFERENCE_FILE: reference}
    bundle = write_bundle(tmp_path, name="told", **colour_files | {"files": files})
    enroll(bundle, "yellow", files_of(draw_class()), tmp_path / "out")
    with pytest.raises(BundleError, match="enrolled a class since"):
        load_reference(load_bundle(tmp_path / "out"))


def test_a_variant_that_does_not_run_here_is_left_out_with_its_files(
    tmp_path, colour_files, draw_class
):
    other = Variant("openvino-int8", ("x.xml", "x.bin"))
    files = colour_files["files"] | {"x.xml": b"no model", "x.bin": b""}
    made = colour_files | {"files": files, "variants": (*colour_files["variants"], other)}
    bundle = write_bundle(tmp_path, name="two", **made)
    outcome = enroll(bundle, "yellow", files_of(draw_class()), tmp_path / "out")
    assert outcome.proven.names == ("onnxruntime-fp32",)
    assert "openvino-int8:" not in outcome.proven.left_out["openvino-int8"]
    assert "x.xml" not in load_bundle(tmp_path / "out").spec.files


@pytest.mark.parametrize(
    "label", ["red", "RED", " red ", "unknown", "", "  ", "a\nb\x00", "a/b", "x" * 256]
)
def test_a_label_that_is_there_or_is_none_is_refused(colours, draw_class, tmp_path, label):
    with pytest.raises(ConfigError, match=r"^label"):
        enroll(colours, label, files_of(draw_class()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_label_is_one_in_every_unicode_form(colours, draw_class, tmp_path):
    out, photos = tmp_path / "out", files_of(draw_class())
    enroll(colours, unicodedata.normalize("NFD", "미나"), photos, out)
    assert load_bundle(out).spec.labels[-1] == unicodedata.normalize("NFC", "미나")
    with pytest.raises(ConfigError, match="is there already"):
        enroll(out, unicodedata.normalize("NFD", "미나"), photos, tmp_path / "again")


def break_all(folder):
    for file in folder.iterdir():
        file.write_text("no photo")


def keep_one(folder):
    for file in files_of(folder)[1:]:
        file.unlink()


def copy_one(folder):
    keep_one(folder)
    for number in range(8):
        shutil.copy(folder / "0.png", folder / f"copy{number}.png")


def copy_nearly(folder):
    from PIL import Image

    keep_one(folder)
    for side_px in range(200, 256, 8):
        with Image.open(folder / "0.png") as image:
            image.resize((side_px, side_px)).save(folder / f"{side_px}.jpg")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (break_all, r"0 different photos of 8 \(8 broken, 0 nearly equal"),
        (keep_one, r"1 different photos of 1 \(0 broken, 0 nearly equal"),
        (copy_one, r"1 different photos of 9 \(0 broken, 8 nearly equal"),
        (copy_nearly, r"1 different photos of 8 \(0 broken, 7 nearly equal"),
    ],
)
def test_too_few_photos_are_refused_with_what_became_of_them(
    colours, draw_class, tmp_path, spoil, said
):
    folder = draw_class()
    spoil(folder)
    with pytest.raises(DatasetError, match=said):
        enroll(colours, "yellow", files_of(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_photos_of_an_old_class_are_refused_and_it_is_named(colours, draw_class, tmp_path):
    photos = files_of(draw_class(COLOURS[1], num=10))
    with pytest.raises(DatasetError, match="10 of them are 'green' to this model"):
        enroll(colours, "grass", photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_that_few_of_its_photos_show_is_warned_of(enrolled):
    unit = enrolled[0].unit
    assert unit.warn(8) == ""
    assert "hard to tell from" in dataclasses.replace(unit, num_found=6).warn(8)


def test_a_bundle_without_features_of_its_photos_is_refused(draw_class, tmp_path):
    with pytest.raises(BundleError, match=r"has no features.npy.*export its run again"):
        enroll("cats12", "yellow", files_of(draw_class()), tmp_path / "out")


def test_something_else_is_not_written_over(colours, draw_class, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(BundleError, match="is no bundle"):
        enroll(colours, "yellow", files_of(draw_class()), tmp_path / "out")
    assert (tmp_path / "out" / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["a\nb", os.fsdecode(b"caf\xe9.edgecat")])
def test_a_name_that_no_manifest_holds_is_refused_before_any_work(tmp_path, name):
    with pytest.raises(BundleError, match=r"name: text .*; give --out another name"):
        enroll("nowhere", "yellow", [], tmp_path / name)


def forge(folder, file, data):
    """Change a file of a bundle, and the manifest with it."""
    from edgecat.bundle.manifest import FileRecord
    from edgecat.bundle.store import write_manifest

    spec = load_bundle(folder).spec
    (folder / file).write_bytes(data)
    write_manifest(
        folder, dataclasses.replace(spec, files=spec.files | {file: FileRecord.of(data)})
    )


def as_npy(array):
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


RECORD = [("target", "<u2"), ("is_held_out", "?"), ("features", "<f2", (3,))]

BAD_FEATURES = {
    "text": b"no array",
    "empty": as_npy(np.zeros(0, RECORD)),
    "plain": as_npy(np.zeros((4, 3), np.float32)),
    "other fields": as_npy(np.zeros(4, [("target", "<u2"), ("features", "<f2")])),
    "two axes": as_npy(np.zeros((2, 2), RECORD)),
    "a class too many": as_npy(np.array([(0, True, (1, 2, 3)), (3, False, (1, 2, 3))], RECORD)),
    "not finite": as_npy(np.array([(0, True, (1, 2, 3)), (0, False, (1, np.nan, 3))], RECORD)),
    "none held out": as_npy(np.array([(0, False, (1, 2, 3))], RECORD)),
    "all held out": as_npy(np.array([(0, True, (1, 2, 3))], RECORD)),
}


@pytest.mark.parametrize("data", BAD_FEATURES.values(), ids=BAD_FEATURES)
def test_features_that_no_export_writes_are_refused(colours, data):
    forge(colours, "features.npy", data)
    with pytest.raises(BundleError, match=r"features\.npy"):
        load_known_features(load_bundle(colours))


def test_features_of_another_model_are_refused(colours, draw_class, tmp_path):
    record = [("target", "<u2"), ("is_held_out", "?"), ("features", "<f2", (2,))]
    forge(colours, "features.npy", as_npy(np.array([(0, True, 1), (0, False, 1)], record)))
    with pytest.raises(BundleError, match=r"has 2 features a photo, the model 3"):
        enroll(colours, "yellow", files_of(draw_class()), tmp_path / "out")


def test_a_bundle_that_tells_of_more_photos_than_a_device_can_compare_is_refused(
    colours, draw_class, tmp_path
):
    rows = np.zeros(200_000, RECORD)
    rows["is_held_out"][0] = True
    forge(colours, "features.npy", as_npy(rows))
    with pytest.raises(BundleError, match=r"tells of 199999 photos to learn from; accepted are 4"):
        enroll(colours, "yellow", files_of(draw_class()), tmp_path / "out")


BAD_UNITS = {
    "text": b"no array",
    "doubles": as_npy(np.zeros((1, 4))),
    "one axis": as_npy(np.zeros(4, np.float32)),
    "no row": as_npy(np.zeros((0, 4), np.float32)),
    "only a bias": as_npy(np.zeros((1, 1), np.float32)),
    "not finite": as_npy(np.full((1, 4), np.inf, np.float32)),
    "a class too many": as_npy(np.zeros((2, 4), np.float32)),
    "other features": as_npy(np.zeros((1, 9), np.float32)),
}


@pytest.mark.parametrize("data", BAD_UNITS.values(), ids=BAD_UNITS)
def test_units_that_no_enrolment_writes_are_refused(enrolled, data):
    forge(enrolled[1], "enrolled.npy", data)
    with pytest.raises(Exception, match=r"enrolled|labels") as refused:
        Classifier.open(enrolled[1])
    assert refused.type.__module__ == "edgecat.errors"


@pytest.mark.parametrize(
    "changes", [{"enrolled": None}, {"schema_version": 2}, {"enrolled": "missing.npy"}]
)
def test_a_manifest_that_contradicts_itself_is_refused(enrolled, changes):
    values = json.loads((enrolled[1] / "bundle.json").read_text()) | changes
    with pytest.raises(BundleError, match="enrolled"):
        ModelSpec.from_json(json.dumps(values), "bundle.json")


def test_the_command_says_what_came_of_it(colours, draw_class, tmp_path, capsys):
    folder, out = draw_class(), tmp_path / "four.edgecat"
    (folder / "broken.jpg").write_text("no photo")
    arguments = ["enroll", str(colours), "--add", "Neighbour's cat", str(folder)]
    assert _run([*arguments, "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert '"Neighbour\'s cat" from 8 photos, of which 8 are found when left out in' in told.out
    assert f"edgecat predict {out} PHOTO" in told.out
    assert "left out: " in told.err
    assert "broken.jpg: not a photo" in told.err
    assert _run([*arguments, "--out", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["num_photos"], said["num_broken"], said["label"]) == (8, 1, "Neighbour's cat")
    assert load_pixels(folder / "0.png").shape == (224, 224, 3)


def test_each_variant_is_proven_on_the_cpu_wherever_it_was_measured_to_be_fastest(
    tmp_path, colour_files, draw_class, make_tuning, monkeypatch
):
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")
    from edgecat.graph.to_openvino import export_openvino

    graph, weights = export_openvino(onnx.load_from_string(colour_files["files"]["model.onnx"]))
    values = json.loads(colour_files["files"]["golden.json"])
    for photo in values["photos"]:
        photo["logits"]["openvino-fp32"] = photo["logits"]["onnxruntime-fp32"]
    more = {"m.xml": graph, "m.bin": weights, "golden.json": json.dumps(values).encode()}
    made = colour_files | {
        "files": colour_files["files"] | more,
        "variants": (*colour_files["variants"], Variant("openvino-fp32", ("m.xml", "m.bin"))),
    }
    bundle = load_bundle(write_bundle(tmp_path, name="two", **made))
    timings = ("onnxruntime-fp32", 1, 1.0), ("openvino-fp32", 1, 0.3, "", "AUTO")
    keep_tuning(bundle, make_tuning(bundle, *timings))
    devices = []

    def open_and_note(*arguments, device, **options):
        devices.append(device)
        return open_model(*arguments, device=device, **options)

    monkeypatch.setattr("edgecat.runtime.choice.open_model", open_and_note)
    outcome = enroll(bundle.path, "yellow", files_of(draw_class()), tmp_path / "out")
    assert outcome.proven.names == ("onnxruntime-fp32", "openvino-fp32")
    assert set(devices) == {"CPU"}
