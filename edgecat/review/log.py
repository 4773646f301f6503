"""Writes decisions: each is on the disk before anybody is told that it is."""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from edgecat import atomic
from edgecat.errors import ConfigError, StorageError
from edgecat.keep.decisions import Decision, DecisionFile, format_decision, read_decisions


class DecisionLog:
    """An open file of decisions. One process may have it.

    Attributes:
        path: The file.
        before: What stood in it when it was opened.
    """

    def __init__(self, path: Path, say: Callable[[str], object]) -> None:
        """Open a file or begin it; the beginning of a line at its end is cut off.

        Args:
            path: The file; its folder must exist.
            say: Told of what was cut off.

        Raises:
            ConfigError: Another process has it.
            DatasetError: A whole line is no decision.
            StorageError: It cannot be written.
        """
        self.path = path
        with atomic.storage_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _lock(self._descriptor, path)
            self.before = read_decisions(path)
            with atomic.storage_errors(path):
                self._mend_end(self.before)
                atomic.sync_folder(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise
        if self.before.torn:
            say(
                f"{path}: its last line was cut off and is removed; "
                f"{len(self.before.decisions)} decisions stand before it"
            )

    def append(self, decision: Decision) -> None:
        """Write a decision; it is on the disk when this returns.

        Raises:
            StorageError: The disk is full or closed, or somebody else has changed the file; it is
                as it was.
        """
        self._check_unchanged()
        try:
            self._write(format_decision(decision))
        except OSError as error:
            with contextlib.suppress(OSError):  # a disk that became read-only
                os.ftruncate(self._descriptor, self._num_bytes)
            raise StorageError(
                f"{self.path}: the decision could not be written ({error.strerror}), and does not "
                "count; free some space and decide again"
            ) from error

    def close(self) -> None:
        """Let another process have the file."""
        os.close(self._descriptor)

    def _mend_end(self, found: DecisionFile) -> None:
        """Let the file end with a whole line."""
        os.ftruncate(self._descriptor, found.num_bytes)
        self._num_bytes = found.num_bytes
        self._write(b"\n" if found.is_open else b"")

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fsync(self._descriptor)
        self._num_bytes += len(data)

    def _check_unchanged(self) -> None:
        """Refuse to write into a file that is not at its place any more, or was edited.

        Raises:
            StorageError: It is so.
        """
        own = os.fstat(self._descriptor)
        try:
            is_there = os.path.samestat(own, self.path.stat())
        except OSError:
            is_there = False
        if not is_there or own.st_size != self._num_bytes:
            raise StorageError(
                f"{self.path}: was changed by somebody else while it was open, so the decision was "
                "not written; end edgecat review and start it again"
            )


def _lock(descriptor: int, path: Path) -> None:
    """Keep other processes out.

    Raises:
        ConfigError: One has the file.
        StorageError: The file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"{path}: another edgecat review has it open; use its page (two pages of one server "
            "see each other's decisions), or stop it"
        ) from None
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be locked ({error.strerror}), so a second edgecat review would not be "
            "noticed; copy the folder to another disk"
        ) from error
