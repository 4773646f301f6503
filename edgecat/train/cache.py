"""Photos decoded once: a file of uint8 pixels beside the run, instead of a decode every epoch."""

import contextlib
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecat import atomic
from edgecat.errors import DatasetError, StorageError
from edgecat.machine.memory import read_free_memory
from edgecat.machine.mounts import is_in_memory
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, central_crop, scale_photo
from edgecat.photos.reading import group_remarks, read_photos
from edgecat.photos.split import Fingerprint, fingerprint_photo
from edgecat.progress import Progress


class PhotoCache:
    """Decoded photos, by position.

    Attributes:
        photos: Those that could be read, in the order of the file.
        hashes: The hex SHA-256 of each.
        fingerprints: Of each, to find near-duplicates.
        broken: Photos that were left out, and what is wrong with each.
        odd: Photos of which a person should know something, and what.
    """

    def __init__(self, spec: InputSpec) -> None:
        """Make an empty cache of photos for a network that takes these; `open_cache` fills it."""
        self.spec = spec
        self.photos: list[LabelledPhoto] = []
        self.hashes: list[str] = []
        self.fingerprints: list[Fingerprint] = []
        self.broken: list[tuple[Path, str]] = []
        self.odd: list[tuple[Path, str]] = []
        self._shapes: list[tuple[int, ...]] = []
        self._offsets = [0]
        self._bytes: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def scaled(self, index: int) -> Pixels:
        """Return a photo as `scale_photo` does: uint8 `[H, W, 3]`, RGB."""
        start, end = self._offsets[index : index + 2]
        return self._bytes[start:end].reshape(self._shapes[index])

    def pixels(self, index: int) -> Pixels:
        """Return a photo as `load_pixels` does: uint8 `[H, W, 3]`, RGB."""
        return central_crop(self.scaled(index), self.spec)

    def batch(self, indices: Sequence[int]) -> Pixels:
        """Return photos as `load_batch` does: uint8 `[N, H, W, 3]`, RGB."""
        return np.stack([self.pixels(index) for index in indices])

    def add(self, photo: LabelledPhoto, sha256: str, scaled: Pixels) -> None:
        """Note a photo whose pixels have been appended to the file."""
        self.photos.append(photo)
        self.hashes.append(sha256)
        self.fingerprints.append(fingerprint_photo(scaled))
        self._shapes.append(scaled.shape)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Return each photo's (H, W, 3), in the order of the file."""
        return self._shapes

    def attach(self, file: Path, shapes: Sequence[Sequence[int]]) -> None:
        """Read pixels from this file from now on, which another process may have written.

        Args:
            file: Photos as `scaled` returns them, one behind the other.
            shapes: Of each.
        """
        self._shapes = [tuple(shape) for shape in shapes]
        self._offsets = [0, *itertools.accumulate(map(math.prod, self._shapes))]
        self._bytes = np.memmap(file, np.uint8, mode="r")


@contextlib.contextmanager
def open_cache(
    file: Path,
    photos: Sequence[LabelledPhoto],
    spec: InputSpec,
    progress: Progress,
    *,
    skip_broken: bool,
) -> Iterator[PhotoCache]:
    """Decode photos into `file` and yield them; the file is removed in the end.

    Args:
        file: To write, about `estimate_photo_bytes` a photo.
        photos: What `find_photos` listed.
        spec: What the network takes.
        progress: Told of each photo.
        skip_broken: Leave broken photos out, instead of refusing all.

    Raises:
        DatasetError: Broken photos, all named at once; or none left.
        StorageError: The disk is full, or the file would take more memory than there is.
    """
    _check_memory(file, len(photos), spec)
    cache = PhotoCache(spec)
    try:
        with (
            atomic.storage_errors(file),
            file.open("wb") as out,
            progress.phase("decode photos", len(photos)) as step,
        ):
            for photo, sha256, scaled in read_photos(
                photos,
                functools.partial(scale_photo, spec=spec),
                on_photo=step,
                on_broken=(lambda *remark: cache.broken.append(remark)) if skip_broken else None,
                on_odd=lambda *remark: cache.odd.append(remark),
            ):
                out.write(np.ascontiguousarray(scaled).data)
                cache.add(photo, sha256, scaled)
        if not cache.photos:
            raise DatasetError(
                f"all {len(photos)} photos are broken:\n  "
                + "\n  ".join(group_remarks(cache.broken))
            )
        cache.attach(file, cache.shapes)
        for line in group_remarks(cache.broken):
            progress.say(f"left out: {line}")
        for line in group_remarks(cache.odd):
            progress.say(f"note: {line}")
        yield cache
    finally:
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


def estimate_photo_bytes(spec: InputSpec) -> int:
    """Return what a decoded photo of the usual 4:3 takes.

    Args:
        spec: What it is scaled for.
    """
    return spec.shorter_side_px * (spec.shorter_side_px * 4 // 3) * 3


def _check_memory(file: Path, num_photos: int, spec: InputSpec) -> None:
    """Refuse to fill the memory with a file; on a disk, the kernel drops what it has no room for.

    Raises:
        StorageError: The file would lie in memory (tmpfs), which has no room for it.
    """
    free = read_free_memory()
    size_bytes = num_photos * estimate_photo_bytes(spec)
    if free is not None and size_bytes > free.size_bytes and is_in_memory(file):
        raise StorageError(
            f"{file.parent}: lies in memory (tmpfs), where {num_photos} decoded photos would take "
            f"{size_bytes / 1e6:.0f} MB, and {free.size_bytes / 1e6:.0f} MB are left; "
            "give --out a folder on a disk"
        )
