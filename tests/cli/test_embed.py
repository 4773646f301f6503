"""`edgecat embed` as a user runs it."""

import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from edgecat.cli.main import _run

# float32 means of 50,176 values of up to 255, in another order.
TOLERANCE = 1e-2


@pytest.fixture
def bundle(make_bundle, patch_model):
    return str(make_bundle(files={"model.onnx": patch_model}))


@pytest.fixture
def photos(tmp_path):
    """A folder with a folder in it, a broken file, and litter."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name, colour in {"b.png": (10, 20, 30), "deep/고양이 '1'.png": (200, 100, 0)}.items():
        Image.new("RGB", (300, 300), colour).save(folder / name)
    (folder / "a.jpg").write_text("no photo")
    (folder / ".hidden").write_text("")
    return folder


def test_vectors_and_names_stand_side_by_side(bundle, photos, tmp_path, capsys):
    single = tmp_path / "single.png"
    Image.new("RGB", (300, 300), (1, 2, 3)).save(single)
    out = tmp_path / "features.npy"
    assert _run(["embed", bundle, str(photos), str(single), "--out", str(out)]) == 4
    told = capsys.readouterr()
    assert "3 photos, 3 numbers each" in told.out
    assert told.err.count("a.jpg: not a photo") == 1
    features = np.load(out, allow_pickle=False)
    assert features.dtype == np.float32
    assert features == pytest.approx(
        np.array([[10, 20, 30], [200, 100, 0], [1, 2, 3]], np.float32), abs=TOLERANCE
    )
    names = json.loads((tmp_path / "features.names.json").read_text())
    files = [photos / "b.png", photos / "deep/고양이 '1'.png", single]
    assert names["photos"] == [
        {"photo": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in files
    ]
    assert names["features_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (names["variant"], names["shape"]) == ("onnxruntime-fp32", [3, 3])


def test_json_names_what_was_broken(bundle, photos, tmp_path, capsys):
    out = tmp_path / "features.npy"
    assert _run(["embed", bundle, str(photos), "--json", "--out", str(out)]) == 4
    said = json.loads(capsys.readouterr().out)
    assert [error["photo"] for error in said["errors"]] == [str(photos / "a.jpg")]
    assert len(said["photos"]) == 2


def test_a_photo_whose_name_is_no_utf8_is_named_beside_its_vector(bundle, tmp_path, capsys):
    photo = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (300, 300), (1, 2, 3)).save(photo)
    assert _run(["embed", bundle, str(photo), "--out", str(tmp_path / "features.npy")]) == 0
    names = json.loads((tmp_path / "features.names.json").read_text(encoding="utf-8"))
    assert [one["photo"] for one in names["photos"]] == [str(photo)]


def test_where_every_photo_is_broken_nothing_is_written(bundle, photos, tmp_path, capsys):
    out = tmp_path / "features.npy"
    assert _run(["embed", bundle, str(photos / "a.jpg"), "--out", str(out)]) == 4
    assert not list(tmp_path.glob("features*"))


@pytest.mark.parametrize("out", ["features.txt", "missing/features.npy"])
def test_a_bad_out_is_refused_before_any_photo_is_read(bundle, photos, tmp_path, out, capsys):
    assert _run(["embed", bundle, str(photos), "--out", str(tmp_path / out)]) == 2
    told = capsys.readouterr().err
    assert "--out" in told
    assert "a.jpg" not in told


def test_a_full_disk_leaves_what_stood_there(bundle, photos, tmp_path, largest_file, capsys):
    out = tmp_path / "features.npy"
    out.write_bytes(b"before")
    with largest_file(100):
        assert _run(["embed", bundle, str(photos), "--out", str(out)]) == 13
    assert out.read_bytes() == b"before"


def test_a_model_without_features_is_refused(make_bundle, colour_model, photos, tmp_path, capsys):
    folder = make_bundle(files={"model.onnx": colour_model}, name="colours")
    out = str(tmp_path / "features.npy")
    assert _run(["embed", str(folder), str(photos / "b.png"), "--out", out]) == 6
    assert "tells no features" in capsys.readouterr().err
