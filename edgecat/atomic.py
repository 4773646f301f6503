"""Writes that happen whole or not at all, whatever is killed and however full the disk is.

A file or folder is first written under a temporary name beside its target, flushed to disk, and
then takes the target's place in one step of the file system. What a killed run left under such a
name is removed by the next run that writes to the same target.
"""

import contextlib
import ctypes
import errno
import fcntl
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from edgecat.errors import StorageError

# linux/fs.h: swap two paths in one step; glibc has had the call since 2.28 (Debian 10).
_RENAME_EXCHANGE = 2
_AT_FDCWD = -100

#: Ends temporary names, so that nobody's own hidden files are taken for leftovers.
UNFINISHED = ".unfinished"


def write_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Give `path` the bytes that `write` puts into the open file it is handed.

    Args:
        path: The file to make or replace. Its folder must exist.
        write: Called once with a writable binary file.

    Raises:
        StorageError: The disk is full or the folder may not be written; the old file is intact.
    """
    with storage_errors(path), _temporary(path, _make_file) as temporary:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Give `path` this text, UTF-8.

    Raises:
        StorageError: As `write_file`.
    """
    write_file(path, lambda file: file.write(text.encode()))


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `path` when the block ends without an error.

    A folder that stands at `path` goes on standing, whole, until that moment; after an error it
    stands for good and the new one is removed.

    Raises:
        StorageError: The disk is full or the folder may not be written.
    """
    path = Path(os.path.realpath(path))  # of a link the folder is replaced, not the link
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path, tempfile.mkdtemp) as temporary:
            yield temporary
            for file in filter(Path.is_file, temporary.rglob("*")):
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            sync_folder(temporary)
            temporary.chmod(0o777 & ~_umask())
            if path.exists():
                _exchange(temporary, path)
            else:
                temporary.rename(path)
            sync_folder(path.parent)


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a full or closed disk into a `StorageError`.

    Raises:
        StorageError: `ENOSPC`, `EDQUOT`, `EROFS`, `EACCES`, `EPERM` or `EFBIG` came up within, or
            anything else that the system says of the temporary name, which nobody has asked for.
        OSError: Any other error of the operating system, as it came.
    """
    try:
        yield
    except OSError as error:
        mend = {
            errno.ENOSPC: "free some space (df -h) and run the same command again",
            errno.EDQUOT: "your disk quota is used up: free some space and run it again",
            errno.EROFS: "the file system is read-only: choose another folder",
            errno.EACCES: "you may not write there: choose another folder",
            errno.EPERM: "you may not write there: choose another folder",
            errno.EFBIG: "the file system does not take a file of this size",
        }.get(error.errno or 0)
        if mend is None and _is_temporary(error.filename, path):
            mend = "choose another folder or name"
        if mend is None:
            raise
        raise StorageError(
            f"{path}: could not be written ({error.strerror}); what stood there before is "
            f"unchanged. {mend[0].upper()}{mend[1:]}."
        ) from error


def _is_temporary(name: object, path: Path) -> bool:
    """Return whether a name is one under which `path` is written first."""
    last = Path(str(name)).name
    return last.startswith(f".{path.name}.") and last.endswith(UNFINISHED)


@contextlib.contextmanager
def _temporary(path: Path, make: Callable[..., str]) -> Iterator[Path]:
    """Yield a new file or folder beside `path`; what bears its name at the end is removed.

    A lock is held on it. The kernel lets go of a killed process's locks, so that leftovers can be
    told from what another process is writing.
    """
    remove_leftovers(path.parent, glob.escape(path.name))
    temporary, lock = _make_locked(path, make)
    try:
        yield temporary
    finally:
        # After an exchange this is the old folder; after an error, the new one.
        _remove(temporary)
        os.close(lock)


def _make_locked(path: Path, make: Callable[..., str]) -> tuple[Path, int]:
    while True:
        temporary = Path(make(prefix=f".{path.name}.", suffix=UNFINISHED, dir=path.parent))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(temporary, os.O_RDONLY)
            with contextlib.suppress(OSError):  # a file system without locks keeps leftovers
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another process may have taken it for a leftover before it was locked.
            if temporary.exists():
                return temporary, descriptor
            os.close(descriptor)


def _make_file(**place: Any) -> str:
    name: str
    descriptor, name = tempfile.mkstemp(**place)
    os.close(descriptor)
    return name


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove what killed runs left in a folder under temporary names.

    Args:
        folder: The one that they wrote to.
        name: Of the file or folder that they wrote; by default, any.
    """
    for left in folder.glob(f".{name}.*{UNFINISHED}"):
        with contextlib.suppress(OSError):  # another process is writing it, or was quicker
            descriptor = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(left)
            finally:
                os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders; where the system has no such call, by three renames.

    Raises:
        OSError: It cannot; both are where they were.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "renameat2"):
            names = os.fsencode(new), os.fsencode(old)
            if not libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
                return
    aside = old.with_name(f".{old.name}.{os.getpid()}.old")
    Path(old).rename(aside)
    try:
        Path(new).rename(old)
    except OSError:
        Path(aside).rename(old)
        raise
    Path(aside).rename(new)


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
