"""Photos that have been read -> the split of a run: nothing is told two things of one photo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgecat.photos.conflicts import find_conflicts, settle_conflicts
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Fingerprint, Split, SplitPhoto, deal_photos, group_photos


class ReadPhotos(Protocol):
    """Photos that have been read, by position."""

    @property
    def photos(self) -> Sequence[LabelledPhoto]:
        """Return the photos."""

    @property
    def hashes(self) -> Sequence[str]:
        """Return the hex SHA-256 of each one's bytes."""

    @property
    def fingerprints(self) -> Sequence[Fingerprint]:
        """Return what `edgecat.photos.split.fingerprint_photo` says of each."""

    def scaled(self, index: int) -> Pixels:
        """Return the photo at a position: uint8 `[H, W, 3]`, RGB."""


def divide_photos(
    root: Path, read: ReadPhotos, *, seed: int, val_ratio: float, test_ratio: float, conflicts: str
) -> Split:
    """Say of each photo whether it trains, validates or tests.

    Args:
        root: The folder that paths start from.
        read: The photos.
        seed: Same seed, same split.
        val_ratio: Share of each class to validate with, 0-1.
        test_ratio: Share of each class to test with, 0-1.
        conflicts: What to do about the same photo in two classes: one of
            `edgecat.photos.conflicts.CONFLICTS`.

    Raises:
        DatasetError: The same photo in two classes and `conflicts` is "stop", or too few photos.
    """
    photos = read.photos
    left_out: set[int] = set()
    if conflicts != "keep":
        pairs = find_conflicts(photos, read.fingerprints, read.scaled)
        left_out = settle_conflicts(photos, pairs, conflicts)
    kept = [i for i in range(len(photos)) if i not in left_out]
    groups = group_photos([read.fingerprints[i] for i in kept])
    dealt = deal_photos(
        [photos[i].label for i in kept],
        [photos[i].split for i in kept],
        groups,
        seed=seed,
        val_ratio=val_ratio,
        test_ratio=test_ratio,
    )
    split_of = dict.fromkeys(left_out, "out") | dict(zip(kept, dealt, strict=True))
    return Split(
        seed=seed,
        num_duplicates=sum(group != i for i, group in enumerate(groups)),
        photos=tuple(
            SplitPhoto(photo.path.relative_to(root).as_posix(), photo.label, sha256, split_of[i])
            for i, (photo, sha256) in enumerate(zip(photos, read.hashes, strict=True))
        ),
    )
