"""Kept photos to measure a review with: drawn, each another one, answered by nobody."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from edgecat.keep.keeper import Keeper, Source
from edgecat.keep.place import KeepPlace
from edgecat.progress import Silent
from edgecat.runtime.prediction import Guess, Prediction

LABELS = tuple(f"class {number}" for number in range(12))


def keep_drawings(folder: Path, num: int, size_px: tuple[int, int], seed: int = 0) -> None:
    """Keep drawings as `edgecat watch --keep` does, with made-up answers.

    Args:
        folder: To keep them in.
        num: How many.
        size_px: Width and height.
        seed: Of the drawings.
    """
    rng = np.random.default_rng(seed)
    keeper = Keeper(KeepPlace(folder, 2**40), Silent())
    for number in range(num):
        blotches = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(blotches).resize(size_px, Image.Resampling.BICUBIC).save(file, "JPEG")
        photo = file.getvalue()
        names = [LABELS[(number + step) % len(LABELS)] for step in range(5)]
        ratios = (0.4, 0.3, 0.15, 0.1, 0.05)
        top = tuple(Guess(name, ratio) for name, ratio in zip(names, ratios, strict=True))
        prediction = Prediction(names[0], 0.4, top, is_known=number % 2 == 0, ood_score=1.0)
        source = Source("drawn", "none", f"{number:05}.jpg")
        keeper.look_at(photo, hashlib.sha256(photo).hexdigest(), prediction, source)
    keeper.close()
