"""A photo to which the model has no finite answer stops nobody."""

from PIL import Image

from edgecat.cli.main import _run
from edgecat.errors import ImageError
from edgecat.strict import read_json


def test_such_a_photo_is_reported_as_broken_and_the_others_are_answered(
    make_bundle, overflowing_model, tmp_path
):
    folder = make_bundle(files={"model.onnx": overflowing_model})
    photos, out = tmp_path / "photos", tmp_path / "results.jsonl"
    photos.mkdir()
    Image.new("RGB", (64, 48), (200, 9, 9)).save(photos / "bad.png")
    Image.new("RGB", (64, 48), (9, 190, 190)).save(photos / "good.png")
    command = ["watch", str(folder), str(photos), "--out", str(out), "--once"]
    assert _run([*command, "--settle", "0", "--patience", "0"]) in (0, ImageError.exit_code)
    lines = [read_json(line, "results", AssertionError) for line in out.read_text().splitlines()]
    found = {line["photo"]: line for line in lines}
    assert "not finite" in found["bad.png"]["error"]
    assert found["good.png"]["answer"] == "red"
