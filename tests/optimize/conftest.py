"""A finished run of seconds on drawn cats, and a table of what some edits save."""

import contextlib

import numpy as np
import pytest

from edgecat.photos.drawings import draw_cat
from edgecat.progress import Silent

BREEDS = ("Bengal", "Persian", "Siamese")


class Listens(Silent):
    """Progress that keeps what it is told, and dies where it shall."""

    def __init__(self, dies_in=""):
        self.lines, self.dies_in = [], dies_in

    @contextlib.contextmanager
    def phase(self, name, num_steps):
        if self.dies_in and name.startswith(self.dies_in):
            raise KeyboardInterrupt
        yield lambda: None

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def listens():
    """The class of such progress."""
    return Listens


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three classes of twelve drawings."""
    folder, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for breed in BREEDS:
        (folder / breed).mkdir(parents=True)
        for number in range(12):
            draw_cat(breed, rng).save(folder / breed / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def parent(photos, tmp_path_factory):
    """A finished run."""
    from edgecat.train.finetune import finetune
    from edgecat.train.job import Job
    from edgecat.train.recipe import Recipe

    run = tmp_path_factory.mktemp("runs") / "parent"
    recipe = Recipe(epochs=2, head_epochs=10, crop_side_px=96, batch_size=8)
    finetune(Job(photos, run, weights="cats12", recipe=recipe, seed=3, device="cpu"))
    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """A file with what some edits save, on a machine that nobody has."""
    from edgecat.optimize.kept import save_kept
    from edgecat.optimize.savings import Saving, Savings

    ratios = {
        "no-se": 0.8,
        "no-se:4": 0.9,
        "no-se:5": 0.95,
        "no-hidden-head": 0.9,
        "drop-block:5": 0.85,
        "narrow:5=128": 0.9,
        "side:160": 0.6,
        "relu:0": 1.02,
    }
    savings = Savings(
        arch="mobilenet_v3_small",
        variant="onnxruntime-fp32",
        latency_ms=20.0,
        edits={edit: Saving(r, (r - 0.005, r + 0.005)) for edit, r in ratios.items()},
        cpu="Another Processor",
        versions={"onnxruntime": "0.1"},
    )
    file = tmp_path_factory.mktemp("table") / "table.json"
    save_kept(savings, file)
    return file
