"""What the tests of kept photos share."""

import contextlib
import hashlib
import io

import pytest
from PIL import Image

from edgecat.keep.keeper import Keeper, Source
from edgecat.keep.place import KeepPlace
from edgecat.runtime.prediction import Guess, Prediction

SOURCE = Source("cats", "onnxruntime-int8", "front/1.jpg")


class Said(list):
    say = list.append


def draw(seed):
    """Return the bytes of a photo that no other seed makes, and their SHA-256."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (seed % 256, seed // 256, 7)).save(data, "PNG")
    return data.getvalue(), hashlib.sha256(data.getvalue()).hexdigest()


def predict(first=0.4, second=0.3, is_known=True):
    top = (Guess("Siamese", first), Guess("Persian", second))
    return Prediction("Siamese", first, top, is_known, ood_score=1.5)


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def place(tmp_path):
    return KeepPlace(tmp_path / "kept", max_bytes=2**20)


@pytest.fixture
def open_keeper(said):
    """A function that opens a folder for as long as the test lasts."""
    with contextlib.ExitStack() as stack:
        yield lambda place: stack.enter_context(contextlib.closing(Keeper(place, said)))


@pytest.fixture
def keep(place, open_keeper):
    """A function that keeps photos, each by its seed, in a folder opened once."""
    keeper = open_keeper(place)

    def look(*seeds, prediction=None):
        for seed in seeds:
            keeper.look_at(*draw(seed), prediction or predict(), SOURCE)

    return look
