"""Names in any alphabet under any locale."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow  # starts processes

#: Python decodes names as ASCII then: what issue trackers call "works on my machine".
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"LC_ALL": "C.UTF-8"},
}
LABELS = ("Кошка", "猫", "señor gato")


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", "from edgecat.cli.main import main; main()", *map(str, arguments)],
        capture_output=True, env=os.environ | environment, check=False,
    )  # fmt: skip


@pytest.fixture
def bundle(make_bundle, colour_model):
    return make_bundle(labels=LABELS, files={"model.onnx": colour_model}, name="модель")


@pytest.fixture
def data(tmp_path):
    for number, label in enumerate(LABELS):
        photo = tmp_path / "фото" / label / "ñandú.png"
        photo.parent.mkdir(parents=True)
        colours = np.zeros((64, 64, 3), np.uint8)
        colours[..., number] = 255
        Image.fromarray(colours).save(photo)
    return tmp_path / "фото"


@pytest.mark.parametrize("locale", LOCALES.values(), ids=LOCALES)
def test_labels_and_files_are_named_rightly_in_json(bundle, data, locale):
    photo = data / "猫" / "ñandú.png"
    done = run("predict", bundle, photo, "--json", **locale)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["bundle"] == "модель"
    assert (found["predictions"][0]["photo"], found["predictions"][0]["label"]) == (
        str(photo),
        "猫",
    )


@pytest.mark.parametrize("locale", LOCALES.values(), ids=LOCALES)
def test_labels_and_files_are_named_rightly_for_people(bundle, data, locale):
    done = run("predict", bundle, data / "Кошка" / "ñandú.png", **locale)
    assert "ñandú.png: Кошка 1" in done.stdout.decode()


@pytest.mark.parametrize("locale", LOCALES.values(), ids=LOCALES)
def test_folders_become_labels(bundle, data, locale):
    done = run("evaluate", bundle, data, "--json", **locale)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["per_class"].keys() == set(LABELS)


def test_json_is_json_whatever_the_output_is_encoded_in(bundle, data):
    photo = data / "猫" / "ñandú.png"
    done = run("predict", bundle, photo, "--json", PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["predictions"][0]["photo"] == str(photo)


def test_bytes_that_are_no_utf8_are_refused_with_their_place(bundle, data):
    (data / os.fsdecode(b"caf\xe9")).mkdir()
    (data / os.fsdecode(b"caf\xe9") / "1.png").write_bytes((data / "猫/ñandú.png").read_bytes())
    done = run("evaluate", bundle, data, **LOCALES["C"])
    assert done.returncode == 3
    assert "фото/caf\\udce9" in done.stderr.decode()
    assert "rename it" in done.stderr.decode()
