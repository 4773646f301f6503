"""Linux tells which files of a folder were closed after writing: that makes `watch` quick.

Nothing depends on it: what inotify does not tell (on a network file system, or because its queue
ran over) is found by scanning. Source: inotify(7), <sys/inotify.h>.
"""

import ctypes
import dataclasses
import errno
import os
import select
import struct
from pathlib import Path

_CLOSE_WRITE = 0x8
_MOVED_TO = 0x80
_CREATE = 0x100
_QUEUE_OVERFLOW = 0x4000
_IGNORED = 0x8000
_ONLY_FOLDERS = 0x0100_0000
_NO_LINKS = 0x0200_0000
_IS_FOLDER = 0x4000_0000

# struct inotify_event: watch descriptor, mask, cookie, length of the name behind it.
_EVENT = struct.Struct("iIII")

# Room for some hundred events; one alone takes at most 16 + 256 bytes.
_BUFFER_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Changes:
    """What happened since the last look.

    Attributes:
        closed: Files that were closed after writing, or moved here.
        new_folders: Folders that were made or moved here; what is in them is not told of.
        is_scan_due: Events were lost: only a scan can tell what happened.
    """

    closed: tuple[Path, ...] = ()
    new_folders: tuple[Path, ...] = ()
    is_scan_due: bool = False


class Inotify:
    """A set of watched folders. Not their sub-folders: add each."""

    def __init__(self) -> None:
        """Open.

        Raises:
            OSError: The system has no inotify, or the user too many of them.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(self._libc, "inotify_init1"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._descriptor = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, Path] = {}
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def add(self, folder: Path) -> None:
        """Watch a folder; one that is watched already is watched on, under its present name.

        Raises:
            OSError: No such folder, or fs.inotify.max_user_watches are in use.
        """
        mask = _CLOSE_WRITE | _MOVED_TO | _CREATE | _ONLY_FOLDERS | _NO_LINKS
        watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
        self._folders[self._checked(watch)] = folder

    def wait(self, seconds: float) -> Changes:
        """Return what happened, as soon as something did or the time is over."""
        if not self._poll.poll(1e3 * seconds):
            return Changes()
        data = os.read(self._descriptor, _BUFFER_BYTES)
        closed, new_folders, is_scan_due, at = [], [], False, 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            name = data[at - length : at].rstrip(b"\0")
            folder = self._folders.get(watch)
            if mask & _IGNORED:
                self._folders.pop(watch, None)
            elif mask & _QUEUE_OVERFLOW:
                is_scan_due = True
            elif folder and mask & _IS_FOLDER:
                new_folders.append(folder / os.fsdecode(name))
            elif folder and mask & (_CLOSE_WRITE | _MOVED_TO):
                closed.append(folder / os.fsdecode(name))
        return Changes(tuple(closed), tuple(new_folders), is_scan_due)

    def close(self) -> None:
        """Give it back."""
        os.close(self._descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result
