"""Photos of a data set, each read and decoded once; broken ones are named all at once."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from edgecat.errors import DatasetError, ImageError
from edgecat.machine.cores import count_threads
from edgecat.machine.memory import read_free_memory
from edgecat.photos.decode import describe_fault, find_oddities
from edgecat.photos.folder import LabelledPhoto
from edgecat.progress import describe_count

T = TypeVar("T")

# Photos decoded ahead of their use: enough for all cores, little memory (1.4 MB each).
_CHUNK = 64

# What the largest photo that is accepted takes while it is decoded: as many are decoded at once as
# there is memory for. Source: benchmarks/results/*/largest_photos.json, lossless WebP.
_PEAK_PHOTO_BYTES = 425_000_000

#: Called with a photo's file and what is to be said of it.
Remark = Callable[[Path, str], object]


def read_photos(
    photos: Sequence[LabelledPhoto],
    decode: Callable[[bytes], T],
    *,
    on_photo: Callable[[], object] = lambda: None,
    on_broken: Remark | None = None,
    on_odd: Remark | None = None,
) -> Iterator[tuple[LabelledPhoto, str, T]]:
    """Read and decode every photo once, several at a time, in order.

    Args:
        photos: What `find_photos` listed.
        decode: Turns a photo's bytes into what is wanted of it.
        on_photo: Called after each photo, to show progress.
        on_broken: Called with what is wrong with a broken photo, which is then left out. Without
            it broken photos are refused, after all have been read.
        on_odd: Called with what `find_oddities` says of a photo that was read; without it nobody
            looks.

    Yields:
        The photo, the hex SHA-256 of its bytes, what `decode` returned.

    Raises:
        DatasetError: Some are broken and `on_broken` is not given; all of them are named at once.
    """

    def read(photo: LabelledPhoto) -> tuple[str, T, tuple[str, ...]] | str:
        try:
            data = photo.read()
            decoded = decode(data)
            odd = find_oddities(data) if on_odd else ()
            return hashlib.sha256(data).hexdigest(), decoded, odd
        except ImageError as error:
            return describe_fault(error, photo.path)

    broken: list[tuple[Path, str]] = []
    note_broken = on_broken or (lambda path, problem: broken.append((path, problem)))
    note_odd = on_odd or (lambda path, remark: None)
    with ThreadPoolExecutor(_count_decoders()) as pool:
        for start in range(0, len(photos), _CHUNK):
            chunk = photos[start : start + _CHUNK]
            for photo, result in zip(chunk, pool.map(read, chunk), strict=True):
                on_photo()
                if isinstance(result, str):
                    note_broken(photo.path, result)
                    continue
                sha256, decoded, odd = result
                for remark in odd:
                    note_odd(photo.path, remark)
                yield photo, sha256, decoded
    if broken:
        raise DatasetError(
            f"{len(broken)} of {describe_count(len(photos), 'photo')} "
            f"{'is' if len(broken) == 1 else 'are'} broken:\n  "
            + "\n  ".join(group_remarks(broken))
            + "\nMend or remove them, or leave them out with --skip-broken."
        )


def group_remarks(remarks: Sequence[tuple[Path, str]]) -> list[str]:
    """Return what is to be said of photos, each thing once, with the files that it is said of.

    Args:
        remarks: Files and what is said of each.
    """
    files = defaultdict(list)
    for path, remark in remarks:
        files[remark].append(str(path))
    return [
        f"{paths[0]}: {remark}"
        if len(paths) == 1
        else f"{len(paths)} photos, each: {remark}\n    " + "\n    ".join(paths)
        for remark, paths in files.items()
    ]


def _count_decoders() -> int:
    """Return how many photos to decode at once."""
    num_threads, free = count_threads(), read_free_memory()
    if free is None:
        return num_threads
    return max(1, min(num_threads, free.size_bytes // _PEAK_PHOTO_BYTES))
