"""`edgecat explain` as a user runs it."""

import json
import re
import shutil

import pytest
from PIL import Image

from edgecat.cli.main import _run


@pytest.fixture
def bundle(make_bundle, patch_model):
    return str(make_bundle(files={"model.onnx": patch_model}))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "red cat.png"
    picture = Image.new("RGB", (256, 256), (90, 90, 90))
    picture.paste((255, 0, 0), (16, 16, 48, 48))
    picture.save(path)
    return str(path)


def test_a_picture_is_written_and_its_place_told(bundle, photo, tmp_path, capsys):
    assert _run(["explain", bundle, photo, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert f"{photo}: red 42.3 %; red is seen at 7 % from left, 7 %" in told
    assert told.strip().endswith(str(tmp_path / "out" / "red-cat.png"))
    assert Image.open(tmp_path / "out" / "red-cat.png").size == (452, 224)


def test_a_strangers_percent_is_that_of_the_nearest_class(tmp_path, capsys):
    photo = tmp_path / "grey.png"
    Image.new("RGB", (256, 256), (90, 90, 90)).save(photo)
    assert _run(["explain", "cats12", str(photo), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert re.search(r"grey.png: unknown, nearest ([\w ]+) \d+\.\d %; \1 is seen at ", told)


def test_json_has_the_heat_and_what_was_broken(bundle, photo, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    out = tmp_path / "out"
    arguments = ["explain", bundle, str(broken), photo, "--json", "--label", "blue"]
    assert _run([*arguments, "--out", str(out)]) == 4
    said = json.loads(capsys.readouterr().out)
    assert [error["photo"] for error in said["errors"]] == [str(broken)]
    (one,) = said["explanations"]
    assert (one["answer"], one["label"]) == ("red", "blue")
    assert len(one["heat"]) == 7
    assert one["heat"][0][0] < one["heat"][3][3]
    assert one["picture"] == str(out / "red-cat.png")


def test_a_wrong_label_is_refused(bundle, photo, capsys, tmp_path):
    arguments = ["explain", bundle, photo, "--label", "<script>", "--out", str(tmp_path / "out")]
    assert _run(arguments) == 2
    assert "--label '<script>': the classes are red, green, blue" in capsys.readouterr().err


def test_an_out_that_is_a_file_is_refused(bundle, photo, capsys):
    assert _run(["explain", bundle, photo, "--out", photo]) == 2
    assert f"'--out': Directory '{photo}' is a file" in capsys.readouterr().err


def test_of_a_folder_each_photo_is_explained(bundle, photo, tmp_path, capsys):
    album = tmp_path / "album"
    album.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(photo, album / name)
    assert _run(["explain", bundle, str(album), photo, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert [line.split(": ")[0] for line in told.splitlines()] == [
        str(album / "a.png"),
        str(album / "b.png"),
        photo,
    ]
