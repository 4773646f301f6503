"""Photos added to a data set whose split stays: nothing is told of them that it tests already."""

import dataclasses
from collections.abc import Sequence

from edgecat.photos.conflicts import find_conflicts, settle_conflicts
from edgecat.photos.divide import ReadPhotos
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Fingerprint, Split, SplitPhoto, find_new


@dataclasses.dataclass(frozen=True)
class FirstPhotos:
    """The first of photos that have been read: those that others are added to.

    Attributes:
        read: All of them.
        num: How many these are.
    """

    read: ReadPhotos
    num: int

    @property
    def photos(self) -> Sequence[LabelledPhoto]:
        """Return the photos."""
        return self.read.photos[: self.num]

    @property
    def hashes(self) -> Sequence[str]:
        """Return the hex SHA-256 of each one's bytes."""
        return self.read.hashes[: self.num]

    @property
    def fingerprints(self) -> Sequence[Fingerprint]:
        """Return what `edgecat.photos.split.fingerprint_photo` says of each."""
        return self.read.fingerprints[: self.num]

    def scaled(self, index: int) -> Pixels:
        """Return the photo at a position: uint8 `[H, W, 3]`, RGB."""
        return self.read.scaled(index)


def add_photos(split: Split, read: ReadPhotos, conflicts: str) -> Split:
    """Return a split with further photos behind its own, which stay where they are.

    Left out are photos that are nearly the same as others before them, whichever split these are
    in, and those that are nearly the same as photos with another label.

    Args:
        split: Of the first of the photos.
        read: All photos; those behind the split's own say what they are for.
        conflicts: What to do about the same photo in two classes: one of
            `edgecat.photos.conflicts.CONFLICTS`; to drop is to leave out the added one.

    Raises:
        DatasetError: There are such photos, and `conflicts` is "stop".
    """
    num = len(split.photos)
    new = set(find_new(read.fingerprints, num))
    if conflicts != "keep":
        pairs = find_conflicts(read.photos, read.fingerprints, read.scaled)
        new -= settle_conflicts(read.photos, [pair for pair in pairs if pair[1] >= num], conflicts)
    added = [
        SplitPhoto(
            # Absolute: it lies in no folder of the data set.
            path=read.photos[i].path.resolve().as_posix(),
            label=read.photos[i].label,
            sha256=read.hashes[i],
            split=str(read.photos[i].split) if i in new else "out",
        )
        for i in range(num, len(read.photos))
    ]
    num_duplicates = split.num_duplicates + sum(photo.split == "out" for photo in added)
    return dataclasses.replace(split, num_duplicates=num_duplicates, photos=(*split.photos, *added))
