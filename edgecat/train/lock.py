"""One run a folder: a lock that the kernel lets go of when its holder dies, however it dies.

On NFS it keeps other machines out, too: Linux asks the server for it (NFS 4, or 3 with lockd). That
lets go of a dead machine's locks when its lease ends (90 s by default; with NFS 3, when it starts
again). Mounted with `nolock` or `local_lock`, a machine sees its own locks alone.
Sources: flock(2), nfs(5).
"""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from edgecat import atomic
from edgecat.errors import RunInUse, StorageError

#: Lies in a run's folder while it is written; it says who writes.
LOCK = "lock"

# Another process that wrote nothing may remove the folder just after it was found or made: not so
# often in a row.
_MAX_TRIES = 100


@contextlib.contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Make a run's folder, and keep others from writing it until the block ends.

    A folder in which nothing was written is removed again.

    Raises:
        RunInUse: Another process writes it.
        StorageError: It cannot be written, or its file system has no locks.
    """
    with atomic.storage_errors(run):
        descriptor = _open_locked(run / LOCK)
    try:
        yield
    finally:
        (run / LOCK).unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # not empty
            run.rmdir()


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Hold a file's lock until the block ends.

    The file stays: a removed one could still be locked, on NFS, by a machine that has not heard.

    Args:
        file: To make.

    Raises:
        RunInUse: Another process holds it.
        StorageError: It cannot be written, or its file system has no locks.
    """
    with atomic.storage_errors(file):
        descriptor = _open_locked(file)
    try:
        yield
    finally:
        os.close(descriptor)


def _open_locked(file: Path) -> int:
    """Return the lock's file, open, locked, and saying by whom.

    Raises:
        RunInUse: Another process holds it.
        StorageError: It cannot be locked.
    """
    while True:
        descriptor = _open(file)
        try:
            _lock(descriptor, file)
            # Its holder may have removed it after it was opened here: then it keeps nobody out.
            if _is_file(file, descriptor):
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                os.fsync(descriptor)  # for other machines to read
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(file: Path) -> int:
    """Return a file, open, in a folder that is made if there is none."""
    for _ in range(_MAX_TRIES):
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            return _try_open(file)
    return _try_open(file)  # the folder cannot be made: the system says why


def _try_open(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _lock(descriptor: int, file: Path) -> None:
    """Lock a file.

    Raises:
        RunInUse: Another process holds it.
        StorageError: It cannot be locked.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
        raise RunInUse(
            f"{file.parent}: {holder} writes this run just now; wait for its end or stop it, or "
            "give --out another name",
            holder,
        ) from None
    except OSError as error:
        raise StorageError(
            f"{file.parent}: cannot be locked ({error.strerror}), so a second run into it would "
            "not be noticed; give --out a folder on another disk"
        ) from error


def _is_file(path: Path, descriptor: int) -> bool:
    is_open = os.fstat(descriptor)
    with contextlib.suppress(FileNotFoundError):
        # NFS may still show a name that another machine has removed; of a locked file it asks the
        # server how many names that has.
        return is_open.st_nlink > 0 and os.path.samestat(path.stat(), is_open)
    return False
