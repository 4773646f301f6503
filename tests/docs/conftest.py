"""The folder in which each page's examples run: what a reader has after the README's first lines.

    photos/          three classes of 16 drawings each: Bengal, Persian, Siamese
    neighbour/       ten drawings of a Sphynx, which the bundle does not know
    camera/          five drawings as a camera leaves them, without labels
    cat.jpg          one more drawing, of a Siamese
    runs/first/      the run of `edgecat finetune photos --out runs/first`, shorter
    first.edgecat/   its bundle, without INT8

What a page's commands make (behind `--out`) is not there yet, and run and bundle are there only for
a page that names them: to make them takes a minute.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecat.photos.drawings import draw_cat

ROOT = Path(__file__).parents[2]
CLASSES = ("Bengal", "Persian", "Siamese")
NUM_PER_CLASS, NUM_IN_CAMERA, NUM_OF_NEIGHBOUR = 16, 5, 10

# In this order: what stands later needs what stands before.
MAKE = {
    # Three classes of drawings are learned in two epochs.
    "runs/first": "edgecat finetune photos --out runs/first --weights cats12 --epochs 2",
    "first.edgecat": "edgecat export runs/first --out first.edgecat",
}
# To export takes a minute, and twenty on a machine that does ten other things.
TIMEOUT_S = 3600

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
def _drawn(tmp_path_factory):
    """The folder that grows by run and bundle once a page needs them."""
    folder = tmp_path_factory.mktemp("docs") / "home"
    rng = np.random.default_rng(0)
    for breed in CLASSES:
        draw(folder / "photos" / breed, [breed] * NUM_PER_CLASS, rng)
    rng = np.random.default_rng(1)
    draw(folder / "camera", (CLASSES[number % 3] for number in range(NUM_IN_CAMERA)), rng)
    draw_cat("Siamese", rng).save(folder / "cat.jpg")
    draw(folder / "neighbour", ["Sphynx"] * NUM_OF_NEIGHBOUR, rng)
    return folder


def draw(folder, breeds, rng):
    folder.mkdir(parents=True)
    for number, breed in enumerate(breeds):
        draw_cat(breed, rng).save(folder / f"{number:03}.jpg")


def build(name, folder):
    """Make a run or a bundle, and what it needs, where it is not there yet."""
    for made, command in MAKE.items():
        if not (folder / made).exists():
            code, printed = run(command, folder)
            assert code == 0, printed
        if made == name:
            return


@pytest.fixture
def make_home(_drawn, tmp_path):
    """A function that makes the folder for a page, given the code of all its blocks."""

    def make(code):
        own = {place.rstrip("/") for place in _OUT.findall(code)}
        for name in MAKE.keys() - own:
            if name in code:
                build(name, _drawn)
        home = shutil.copytree(_drawn, tmp_path / "home")
        for place in (home / name for name in own):
            assert place.resolve().is_relative_to(home.resolve()), f"{place}: out of the folder"
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        return home

    return make
