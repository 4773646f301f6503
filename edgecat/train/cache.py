"""Photos decoded once: a file of uint8 pixels beside the run, instead of a decode every epoch.

Where there is no room for all, the rest is decoded whenever it is asked for.
"""

import contextlib
import dataclasses
import functools
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecat import atomic
from edgecat.errors import DatasetError
from edgecat.machine.memory import read_free_memory
from edgecat.machine.mounts import is_in_memory
from edgecat.photos.decode import open_photo
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, central_crop, load_pixels, scale_image
from edgecat.photos.reading import group_remarks, read_photos
from edgecat.photos.split import Fingerprint, fingerprint_photo
from edgecat.progress import Progress

_ROOM_RATIO = 0.5

#: How much larger than a network sees them photos are kept, to cut random crops from, if they have
#: as many pixels: crops would be scaled up, and training would see what is blurred. With 1.7 one of
#: a quarter of the area, so of half the side, has the 224 of 264 px that a network sees. No more
#: than 2, so far `open_photo` decodes. Source: benchmarks/results/*/larger_photos.json.
MOST_RATIO = 1.7


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A photo, decoded.

    Attributes:
        fingerprint: To find near-duplicates.
        pixels: As `load_pixels` returns it.
        scaled: As `PhotoCache.scaled` returns it.
    """

    fingerprint: Fingerprint
    pixels: Pixels
    scaled: Pixels

    @property
    def size_bytes(self) -> int:
        """How much room it takes."""
        return self.pixels.size + self.scaled.size


def decode_photo(data: bytes, spec: InputSpec) -> Decoded:
    """Return what a run wants of a photo, for a network that takes `spec`.

    Raises:
        ImageError: As `load_pixels`.
    """
    image = open_photo(data, spec.shorter_side_px)
    seen = scale_image(image, spec)
    crop = np.ascontiguousarray(central_crop(seen, spec))
    return Decoded(fingerprint_photo(seen), crop, scale_image(image, spec, MOST_RATIO))


class PhotoCache:
    """Decoded photos, by position.

    Attributes:
        photos: Those that could be read, in the order of the file.
        hashes: The hex SHA-256 of each.
        fingerprints: Of each, to find near-duplicates.
        broken: Photos that were left out, and what is wrong with each.
        odd: Photos of which a person should know something, and what.
        size_bytes: Of the file.
    """

    def __init__(self, spec: InputSpec) -> None:
        """Make an empty cache of photos for a network that takes these; `open_cache` fills it."""
        self.spec = spec
        self.photos: list[LabelledPhoto] = []
        self.hashes: list[str] = []
        self.fingerprints: list[Fingerprint] = []
        self.broken: list[tuple[Path, str]] = []
        self.odd: list[tuple[Path, str]] = []
        self.size_bytes = 0
        # Where its `pixels` begin, and the shape of `scaled`, which stands behind them.
        self._places: list[tuple[int, tuple[int, ...]] | None] = []
        self._bytes: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def scaled(self, index: int) -> Pixels:
        """Return a photo to cut random crops from: uint8 `[H, W, 3]`, RGB.

        As `scale_image` returns it, larger than a network sees it if it has as many pixels.

        Raises:
            ImageError: It has no place in the file, and can no longer be read.
        """
        place = self._places[index]
        if place is None:
            image = open_photo(self.photos[index].read(), self.spec.shorter_side_px)
            return scale_image(image, self.spec, MOST_RATIO)
        start, shape = place
        return self._read(start + math.prod(self.spec.shape), shape)

    def pixels(self, index: int) -> Pixels:
        """Return a photo as `load_pixels` does: uint8 `[H, W, 3]`, RGB.

        Raises:
            ImageError: As `scaled`.
        """
        place = self._places[index]
        if place is None:
            return load_pixels(self.photos[index].read(), self.spec)
        start, _ = place
        return self._read(start, self.spec.shape)

    def batch(self, indices: Sequence[int]) -> Pixels:
        """Return photos as `load_batch` does: uint8 `[N, H, W, 3]`, RGB."""
        return np.stack([self.pixels(index) for index in indices])

    @property
    def num_kept(self) -> int:
        """How many photos have a place in the file."""
        return sum(place is not None for place in self._places)

    def add(self, photo: LabelledPhoto, sha256: str, decoded: Decoded, *, is_kept: bool) -> None:
        """Note a photo, whose pixels have been appended to the file if it is kept."""
        self.photos.append(photo)
        self.hashes.append(sha256)
        self.fingerprints.append(decoded.fingerprint)
        self._places.append((self.size_bytes, decoded.scaled.shape) if is_kept else None)
        self.size_bytes += decoded.size_bytes if is_kept else 0

    def attach(self, file: Path) -> None:
        """Read pixels from this file from now on."""
        if self.num_kept:
            # "c": torch takes no array that is read-only. What is written to it reaches no file.
            self._bytes = np.memmap(file, np.uint8, mode="c")

    def to_index(self) -> dict[str, Any]:
        """Return where each photo lies, for another process of this machine, as JSON has it."""
        paths = [str(photo.path) for photo in self.photos]
        return {"paths": paths, "hashes": self.hashes, "places": self._places}

    def from_index(self, index: Mapping[str, Any], photos: list[LabelledPhoto], file: Path) -> None:
        """Take what another process has decoded: all but fingerprints.

        Args:
            index: Of its cache, as `to_index` returned it.
            photos: Of the same paths.
            file: That it wrote.
        """
        self.photos, self.hashes = photos, index["hashes"]
        self._places = [place and (place[0], tuple(place[1])) for place in index["places"]]
        self.attach(file)

    def _read(self, start: int, shape: tuple[int, ...]) -> Pixels:
        return self._bytes[start : start + math.prod(shape)].reshape(shape)


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
        file: To write, as far as there is room: 430 kB a photo of the usual 4:3, 960 kB
            if it has as many pixels.
        photos: What `find_photos` listed.
        spec: What the network takes.
        progress: Told of each photo.
        skip_broken: Leave broken photos out, instead of refusing all.

    Raises:
        DatasetError: Broken photos, all named at once; or none left.
        StorageError: The disk is full.
    """
    with atomic.storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # of a killed run: it is no room that others take
    cache, room_bytes = PhotoCache(spec), _measure_room(file)
    try:
        with (
            atomic.storage_errors(file),
            file.open("wb") as out,
            progress.phase("decode photos", len(photos)) as step,
        ):
            for photo, sha256, decoded in read_photos(
                photos,
                functools.partial(decode_photo, spec=spec),
                on_photo=step,
                on_broken=(lambda *remark: cache.broken.append(remark)) if skip_broken else None,
                on_odd=lambda *remark: cache.odd.append(remark),
            ):
                is_kept = cache.size_bytes + decoded.size_bytes <= room_bytes
                if is_kept:
                    out.write(decoded.pixels.data)
                    out.write(np.ascontiguousarray(decoded.scaled).data)
                cache.add(photo, sha256, decoded, is_kept=is_kept)
        if not cache.photos:
            raise DatasetError(
                f"all {len(photos)} photos are broken:\n  "
                + "\n  ".join(group_remarks(cache.broken))
            )
        cache.attach(file)
        if num_left := len(cache.photos) - cache.num_kept:
            progress.say(
                f"note: {file.parent} has room for {room_bytes / 1e9:.1f} GB of decoded photos: "
                f"{num_left} are decoded again whenever they are used, which is slower"
            )
        for line in group_remarks(cache.broken):
            progress.say(f"left out: {line}")
        for line in group_remarks(cache.odd):
            progress.say(f"note: {line}")
        yield cache
    finally:
        file.unlink(missing_ok=True)


def _measure_room(file: Path) -> int:
    """Return how much of a disk decoded photos may take, or of memory, if it lies in there (tmpfs).

    Half of what is free: checkpoints and other programs need some, too.
    """
    room_bytes = shutil.disk_usage(file.parent).free
    free = read_free_memory()
    if free is not None and is_in_memory(file):
        room_bytes = min(room_bytes, free.size_bytes)
    return int(room_bytes * _ROOM_RATIO)
