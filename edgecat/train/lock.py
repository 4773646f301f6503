"""One run a folder: a lock that the kernel lets go of when its holder dies, however it dies."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from edgecat import atomic
from edgecat.errors import StorageError, TrainError

#: Lies in a run's folder while it is written; it says who writes.
LOCK = "lock"


@contextlib.contextmanager
def lock_run(run: Path) -> Iterator[None]:
    """Make a run's folder, and keep others from writing it until the block ends.

    A folder in which nothing was written is removed again.

    Raises:
        TrainError: Another process writes it.
        StorageError: It cannot be written, or its file system has no locks.
    """
    with atomic.storage_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        descriptor = _open_locked(run)
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    try:
        yield
    finally:
        (run / LOCK).unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # not empty
            run.rmdir()


def _open_locked(run: Path) -> int:
    """Return the lock's file, open and locked.

    Raises:
        TrainError: Another process holds it.
        StorageError: It cannot be locked.
    """
    while True:
        descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, run)
            # Its holder may have removed it after it was opened here: then it keeps nobody out.
            if _is_file(run / LOCK, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, run: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
        raise TrainError(
            f"{run}: {holder} writes this run just now; wait for its end or stop it, or give --out "
            "another name"
        ) from None
    except OSError as error:
        raise StorageError(
            f"{run}: cannot be locked ({error.strerror}), so a second run into it would not be "
            "noticed; give --out a folder on another disk"
        ) from error


def _is_file(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False
