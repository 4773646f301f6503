"""The photos of a split: as a run's record lists them, or by the hashes that a bundle carries."""

from pathlib import Path

import numpy as np

from edgecat.bundle.photo_record import load_photo_record
from edgecat.bundle.store import Bundle
from edgecat.photos.folder import LabelledPhoto, find_photos
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.photos.reading import read_photos
from edgecat.quantize.calibration import choose_calibration
from edgecat.train.run import load_run, load_split


def list_test_photos(run: Path, data: Path) -> list[LabelledPhoto]:
    """Return the test photos of a run, where they lie in the folder that it was trained on."""
    split = load_split(run)
    photos = [split.photos[position] for position in split.indices("test")]
    return [LabelledPhoto(data / photo.path, photo.label) for photo in photos]


def list_calibration(run: Path, data: Path) -> list[Path]:
    """Return the photos that the run's export calibrates with."""
    split = load_split(run)
    chosen = choose_calibration(split, load_run(run).seed)
    return [data / split.photos[position].path for position in chosen]


def load_seen_photos(bundle: Bundle, data: Path, *names: str) -> list[Pixels]:
    """Return what a bundle has seen, of each name: uint8 `[N, 224, 224, 3]`, RGB.

    Args:
        bundle: Carries the hashes.
        data: Where its photos are, among others.
        names: Of `edgecat.bundle.photo_record.PhotoRecord`: "val", "test", "calibration".
    """
    record = load_photo_record(bundle)
    found: dict[str, list[Pixels]] = {name: [] for name in names}
    for _, sha256, pixels in read_photos(find_photos(data), load_pixels):
        for name in names:
            hashes = getattr(record, name)
            if sha256[: len(hashes[0])] in hashes:
                found[name].append(pixels)
    return [np.stack(photos) for photos in found.values()]
