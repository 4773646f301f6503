"""Photos that three colours tell apart, and a run of seconds on them."""

import numpy as np
import pytest
from PIL import Image

from edgecat.progress import Silent
from edgecat.train.recipe import Recipe

# The head learns enough to tell the colours apart, so that no run of it counts as diverged.
QUICK = Recipe(epochs=2, head_epochs=10, crop_side_px=64, batch_size=8)


def draw(folder, num_per_class=10, seed=0):
    """Three classes that a colour tells apart; a number of photos for all, or one for each."""
    rng = np.random.default_rng(seed)
    nums = [num_per_class] * 3 if isinstance(num_per_class, int) else num_per_class
    for number, num in enumerate(nums):
        (folder / f"class_{number}").mkdir(parents=True)
        for photo in range(num):
            blotches = rng.integers(0, 128, (10, 10, 3), dtype=np.uint8)
            blotches[..., number] += 120
            picture = Image.fromarray(blotches).resize((96, 72), Image.Resampling.BICUBIC)
            picture.save(folder / f"class_{number}" / f"{photo}.png")
    return folder


@pytest.fixture(scope="session")
def draw_reds():
    """The function that draws such photos into a folder."""
    return draw


class Listens(Silent):
    """Progress that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="session")
def quick():
    """A recipe of seconds."""
    return QUICK


@pytest.fixture
def listens():
    return Listens()


@pytest.fixture(scope="module")
def job(photos, tmp_path_factory):
    from edgecat.train.job import Job

    run = tmp_path_factory.mktemp("runs") / "first"
    return Job(photos, run, weights="cats12", recipe=QUICK, seed=5, device="cpu")
