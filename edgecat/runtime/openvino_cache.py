"""Models that OpenVINO has compiled for a device: minutes on some, so they are kept on disk.

    ~/.cache/edgecat/openvino/HASH.blob       a model, a device, a driver and settings

All of it may be deleted at any time. OpenVINO compiles anew what is not there, is cut off or was
made by another version; that a compiled model answers as it should is proven at each opening, by
the self-test.
"""

import os
import stat
from pathlib import Path

from edgecat.errors import StorageError
from edgecat.machine.state import find_cache_folder

#: What all compiled models may take; the ones that were used longest ago go first. A model of ours
#: takes 2 to 8 MB, so that every bundle of a device has room.
MAX_BYTES = 256 * 2**20


def prepare_cache() -> Path | None:
    """Return the folder, not above its size; None where there can be none, and nothing is kept.

    Nor where others may write: compiled models are programs, and taken on trust.
    """
    try:
        folder = find_cache_folder() / "openvino"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = folder.lstat()
        others_may = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or others_may:
            return None
        _drop_oldest(folder)
    except (OSError, StorageError):  # a full or closed disk: it takes longer to open, no more
        return None
    return folder


def _drop_oldest(folder: Path) -> None:
    found = [(file, file.lstat()) for file in folder.glob("*.blob")]
    found.sort(key=lambda pair: max(pair[1].st_mtime, pair[1].st_atime))
    size_bytes = sum(facts.st_size for _, facts in found)
    for file, facts in found:
        if size_bytes <= MAX_BYTES:
            return
        file.unlink(missing_ok=True)
        size_bytes -= facts.st_size
