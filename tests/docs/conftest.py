"""The folder in which each page's examples run: what a reader has after the README's first lines.

    photos/          three classes of 16 drawings each: Bengal, Persian, Siamese
    neighbour/       ten drawings of a Sphynx, which the bundle does not know
    camera/          five drawings as a camera leaves them, without labels
    cat.jpg          one more drawing, of a Siamese
    runs/first/      the run of `edgecat finetune photos --out runs/first`, shorter
    first.edgecat/   its bundle, without INT8, which takes a minute

What a page's commands make (behind `--out`) is not there yet.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecat.photos.drawings import draw_cat, draw_dataset

ROOT = Path(__file__).parents[2]
CLASSES = ("Bengal", "Persian", "Siamese")
NUM_PER_CLASS, NUM_IN_CAMERA, NUM_OF_NEIGHBOUR = 16, 5, 10

MAKE = (
    # Three classes of drawings are learned in two epochs.
    "edgecat finetune photos --out runs/first --weights cats12 --epochs 2",
    "edgecat export runs/first --out first.edgecat",
)
# Minutes on a machine that does ten other things.
TIMEOUT_S = 900

_OUT = re.compile(r"--out (\S+)")


def start(command, folder, **options):
    """Start a line of shell as a reader would, in a folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(["bash", "-c", command], cwd=folder, env=env, text=True, **options)


def run(command, folder):
    """Return exit code and all that a line of shell prints, as a terminal shows it."""
    with start(command, folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, printed


@pytest.fixture(scope="session")
def _home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "home"
    draw_dataset(folder / "photos", NUM_PER_CLASS)
    for breed in (folder / "photos").iterdir():
        if breed.name not in CLASSES:
            shutil.rmtree(breed)
    (folder / "camera").mkdir()
    rng = np.random.default_rng(1)
    for number in range(NUM_IN_CAMERA):
        draw_cat(CLASSES[number % 3], rng).save(folder / "camera" / f"{number:03}.jpg")
    draw_cat("Siamese", rng).save(folder / "cat.jpg")
    (folder / "neighbour").mkdir()
    for number in range(NUM_OF_NEIGHBOUR):
        draw_cat("Sphynx", rng).save(folder / "neighbour" / f"{number:03}.jpg")
    for command in MAKE:
        code, printed = run(command, folder)
        assert code == 0, printed
    return folder


@pytest.fixture
def make_home(_home, tmp_path):
    """A function that makes the folder for a page with these commands."""

    def make(commands):
        home = shutil.copytree(_home, tmp_path / "home")
        for made in _OUT.findall(" ".join(commands)):
            place = home / made
            assert place.resolve().is_relative_to(home.resolve()), f"{made}: out of the folder"
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        return home

    return make
