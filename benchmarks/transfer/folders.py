"""Ready-made splits of a few photos a class, drawn at random from a folder of many."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Nums:
    """How many photos of each class are for what."""

    train: int
    val: int
    test: int


def list_classes(data: Path) -> list[str]:
    """Return the names of the classes' folders, sorted."""
    return sorted(folder.name for folder in data.iterdir() if folder.is_dir())


def link_split(data: Path, out: Path, classes: Sequence[str], nums: Nums, seed: int) -> Path:
    """Link photos into `out`/<split>/<class>, unless that is done; return `out`.

    The order in which a class's photos are drawn depends on the seed alone, and test photos come
    first: so splits of more training photos hold those of fewer, and all have the same test photos.
    """
    for name in classes:
        files = sorted((data / name).iterdir())
        order = np.random.default_rng([seed, *name.encode()]).permutation(len(files)).tolist()
        for split, num in (("test", nums.test), ("val", nums.val), ("train", nums.train)):
            folder = out / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for file in (files[position] for position in order[:num]):
                if not (folder / file.name).exists():
                    (folder / file.name).symlink_to(file.resolve())
            order = order[num:]
    return out
