"""A folder of drawn photos, and the features that they are compared by: their colours."""

import numpy as np
import pytest
from PIL import Image

from edgecat.audit.features import FeatureModel
from edgecat.audit.report import audit
from edgecat.audit.survey import survey_photos
from edgecat.photos.folder import load_folder
from edgecat.photos.input import IMAGENET
from edgecat.progress import Silent

HUES = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 210)}


def measure_colours(photos):
    """Return the mean red, green and blue of photos, and how far from grey each is."""
    means = photos.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    return means, np.asarray(-np.ptp(means, axis=1).astype(np.float64))


COLOURS = FeatureModel("colours", IMAGENET, lambda photos: (measure_colours(photos)[0], None))


def paint(rng, colour, size=(320, 256)):
    """Light and dark blotches of about one colour, all different, with grain."""
    blotches = colour + rng.normal(0, 60, (12, 12, 1)) + rng.normal(0, 10, (12, 12, 3))
    blotches = np.clip(blotches, 0, 255).astype(np.uint8)
    image = Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC)
    grain = rng.normal(0, 6, (size[1], size[0], 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


@pytest.fixture
def hues(tmp_path):
    """Eight good photos of each of three colours."""
    rng = np.random.default_rng(0)
    for label, colour in HUES.items():
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for number in range(8):
            paint(rng, colour).save(folder / f"{number}.jpg", quality=90)
    return tmp_path / "photos"


@pytest.fixture
def look():
    """A function that audits a folder: what each check found, by its name."""

    def look_at(data, model=COLOURS):
        return audit(survey_photos(load_folder(data), model, Silent()))

    return look_at


@pytest.fixture
def found_in(look):
    """A function that audits a folder and returns the findings of each check that has some."""

    def find(data, model=COLOURS):
        checked = look(data, model).checked
        return {one.name: one.found.findings for one in checked if one.found.findings}

    return find
