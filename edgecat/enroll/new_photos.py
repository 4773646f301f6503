"""The photos of a new class: read once, copies left out, too few refused."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecat.errors import DatasetError
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, central_crop, scale_photo
from edgecat.photos.reading import read_photos
from edgecat.photos.split import Fingerprint, fingerprint_photo, group_photos
from edgecat.progress import Progress

#: Photos below which a class would be what these few happen to show.
MIN_PHOTOS = 5

#: With more than this, fine-tuning is the better way; and pixels stay below 80 MB.
MAX_PHOTOS = 500


@dataclasses.dataclass(frozen=True)
class NewPhotos:
    """Photos of a new class, no two of them nearly the same.

    Attributes:
        pixels: uint8 `[N, H, W, 3]`, RGB.
        hashes: The hex SHA-256 of each file.
        num_duplicates: How many (nearly) equal ones were left out.
        num_broken: How many could not be read.
    """

    pixels: Pixels
    hashes: tuple[str, ...]
    num_duplicates: int
    num_broken: int


def load_new_photos(files: Sequence[Path], spec: InputSpec, progress: Progress) -> NewPhotos:
    """Read the photos of a new class; what is broken is told and left out.

    Args:
        files: Of one class.
        spec: What the model takes.
        progress: Told of each photo and of each broken one.

    Raises:
        DatasetError: More than `MAX_PHOTOS`, or fewer than `MIN_PHOTOS` that differ.
    """
    if len(files) > MAX_PHOTOS:
        raise DatasetError(
            f"{len(files)} photos: at most {MAX_PHOTOS} are taken; with so many, fine-tune: "
            "'edgecat finetune'"
        )
    broken: list[Path] = []

    def decode(data: bytes) -> tuple[Fingerprint, Pixels]:
        scaled = scale_photo(data, spec)
        return fingerprint_photo(scaled), central_crop(scaled, spec)

    def note_broken(path: Path, problem: str) -> None:
        broken.append(path)
        progress.say(f"left out: {path}: {problem}")

    photos = [LabelledPhoto(file, label="") for file in files]
    with progress.phase("photos", len(photos)) as step:
        found = [*read_photos(photos, decode, on_photo=step, on_broken=note_broken)]
    groups = group_photos([fingerprint for _, _, (fingerprint, _) in found])
    kept = [found[place] for place, first in enumerate(groups) if first == place]
    if len(kept) < MIN_PHOTOS:
        raise DatasetError(
            f"{len(kept)} different photos of {len(files)} ({len(broken)} broken, "
            f"{len(found) - len(kept)} nearly equal to another): at least {MIN_PHOTOS} are needed, "
            "10 or more are better; take them at different times and from different sides"
        )
    return NewPhotos(
        pixels=np.stack([pixels for _, _, (_, pixels) in kept]),
        hashes=tuple(sha256 for _, sha256, _ in kept),
        num_duplicates=len(found) - len(kept),
        num_broken=len(broken),
    )
