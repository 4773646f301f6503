"""Decoded photos on several ranks: a machine decodes each photo once, for all of its ranks.

Where a machine has other photos than the first one, both say so.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgecat.errors import TrainError
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.progress import Progress
from edgecat.strict import read_json, to_json
from edgecat.train.cache import PhotoCache, open_cache
from edgecat.train.ranks import Ranks


@contextlib.contextmanager
def open_shared_cache(
    file: Path,
    photos: Sequence[LabelledPhoto],
    spec: InputSpec,
    progress: Progress,
    ranks: Ranks,
    *,
    skip_broken: bool,
) -> Iterator[PhotoCache]:
    """Decode photos into a file of this machine, as `open_cache`, and yield them on all ranks.

    Args:
        file: As for `open_cache`; machines may have one folder in common.
        photos: As for `open_cache`.
        spec: As for `open_cache`.
        progress: As for `open_cache`.
        ranks: Who wants the photos.
        skip_broken: As for `open_cache`.

    Raises:
        DatasetError: As `open_cache`.
        TrainError: Another rank has other photos.
        StorageError: The disk is full.
    """
    if ranks.machine:
        file = file.with_stem(f"{file.stem}-{ranks.machine}")
    with contextlib.ExitStack() as stack:
        cache = PhotoCache(spec)
        if ranks.rank_here == 0:
            decoded = open_cache(file, photos, spec, progress, skip_broken=skip_broken)
            cache = stack.enter_context(decoded)
        if ranks.size > 1:
            index = ranks.from_here(lambda: to_json(cache.to_index()).encode())
            if ranks.rank_here != 0:
                _attach(cache, file, photos, read_json(index, str(file), TrainError))
            ranks.agree({"photos": _describe(cache)})
        yield cache


def _attach(
    cache: PhotoCache, file: Path, photos: Sequence[LabelledPhoto], index: dict[str, Any]
) -> None:
    """Fill a cache with what another rank of this machine has decoded.

    Raises:
        TrainError: This one has not found all of its files.
    """
    by_path = {str(photo.path): photo for photo in photos}
    if lacking := [path for path in index["paths"] if path not in by_path]:
        raise TrainError(
            f"{lacking[0]}: one of {len(lacking)} files that a rank on this machine has found and "
            "another one has not; give all ranks the same photos"
        )
    cache.from_index(index, [by_path[path] for path in index["paths"]], file)


def _describe(cache: PhotoCache) -> str:
    """Return what tells these photos from others: which they are, in order."""
    pairs = zip(cache.photos, cache.hashes, strict=True)
    lines = "\n".join(f"{sha256} {photo.label}" for photo, sha256 in pairs)
    sha256 = hashlib.sha256(lines.encode()).hexdigest()
    return f"{len(cache.photos)} files with the SHA-256 {sha256[:16]}"
