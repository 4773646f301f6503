"""The results file of `edgecat watch`: one JSON line a photo, and the only record of what is done.

**What a photo is.** A name (relative to the watched folder) and a content (its SHA-256). It has
been answered, and is not answered again, if

- the last line of its name has its content: it was only touched, or copied here once more; or
- any line has its content, inode and time of change: the file was renamed, or linked.

So a file replaced by another content under the same name is a new photo, and so is a copy of a
photo under another name.

**What survives.** A line is one write, then an fsync. What a kill or a power cut leaves of a line
stands at the end of the file without its newline, and is cut off when the file is opened again;
the photo has no line then and is answered. Only one process at a time may have the file open.

**Rotation.** If the file is moved away or removed while it is open, the next line begins a new
one, and what was answered stays known for as long as the process runs. The record of what is
done went away with the old file, though: the next process answers again what is still in the
folder. So move the photos away first, or together with it.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import stat
from pathlib import Path
from typing import Any

from edgecat.atomic import sync_folder
from edgecat.errors import ConfigError, EdgecatError, StorageError
from edgecat.progress import Progress

# Every line begins so; what begins otherwise was not written here and is never cut.
_BEGINNING = b'{"photo": '

# No line is longer: Linux allows a path 4,096 bytes, of which each is written as 6 at most.
_MAX_LINE_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Stamp:
    """What the file system says of a file: as long as it is the same, so is the content.

    Attributes:
        size_bytes: Its size.
        mtime_ns: When its content changed last, in nanoseconds since 1970.
        inode: Its number within the file system; it stays when the file is renamed.
    """

    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        """Return the stamp in what `os.stat` found."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class Journal:
    """An open results file.

    Attributes:
        path: Where it stands.
        num_before: How many lines it had when it was opened.
    """

    def __init__(self, path: Path, progress: Progress) -> None:
        """Open a results file or begin one; a torn last line is cut off.

        Args:
            path: The file; its folder must exist.
            progress: Told when the file is begun anew.

        Raises:
            ConfigError: Another process has it open, or it is no results file.
            StorageError: It cannot be opened for writing.
        """
        self.path = path
        self._progress = progress
        self._last: dict[str, tuple[Stamp, bytes]] = {}
        self._files: dict[Stamp, bytes] = {}
        self._torn_at_bytes: int | None = None
        self._descriptor = self._open()
        try:
            self.num_before = self._load()
        except ConfigError:
            self.close()
            raise

    def is_known(self, photo: str, stamp: Stamp) -> bool:
        """Return whether a photo is done, as far as that can be told without reading it.

        Under its own name the inode does not count: on FAT it is another one after each mount.
        """
        if stamp in self._files:
            return True
        last = self._last.get(photo)
        return last is not None and stamp == dataclasses.replace(last[0], inode=stamp.inode)

    def has_answered(self, photo: str, stamp: Stamp, sha256: str) -> bool:
        """Return whether a photo whose content was read is done; see above.

        Args:
            photo: Its name, relative to the watched folder.
            stamp: Of the file that was read.
            sha256: Of its content, in hex.
        """
        content = bytes.fromhex(sha256)
        last = self._last.get(photo)
        is_done = (last is not None and last[1] == content) or self._files.get(stamp) == content
        if is_done:
            self._remember(photo, stamp, content)
        return is_done

    def append(self, photo: str, stamp: Stamp, sha256: str, result: dict[str, Any]) -> None:
        """Write a photo's line; it stands on the disk when this returns.

        Args:
            photo: As for `has_answered`.
            stamp: The same.
            sha256: The same.
            result: What else the line shall say.

        Raises:
            StorageError: The line could not be written; nothing of it is in the file.
            ConfigError: The file was moved away, and another process has begun the new one, or what
                stands there now is no results file.
        """
        # ASCII, because a file's name need not be text: Python writes other bytes as \udcxx.
        line = {"photo": photo} | dataclasses.asdict(stamp) | {"sha256": sha256} | result
        try:
            self._follow_rotation()
            self._write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be written ({error.strerror}); nothing is lost: a photo "
                "without a line is answered once that is mended. Is the disk full (df -h)?"
            ) from error
        self._remember(photo, stamp, bytes.fromhex(sha256))

    def is_same_file(self, found: os.stat_result) -> bool:
        """Return whether a file that was found is the results file itself."""
        return os.path.samestat(found, os.fstat(self._descriptor))

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o666)
            sync_folder(self.path.parent)
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be opened for writing ({error.strerror}); give --out a file "
                "in a folder that exists and may be written"
            ) from error
        try:
            self._lock(descriptor)
        except EdgecatError:
            os.close(descriptor)
            raise
        return descriptor

    def _lock(self, descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"{self.path}: is no file; give --out a new file")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{self.path}: another edgecat watch writes it; stop that one, or give --out "
                "another file"
            ) from None
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be locked ({error.strerror}), so a second edgecat watch "
                "would not be noticed; give --out a file on a local disk"
            ) from error

    def _load(self) -> int:
        """Read every line and return their number; cut off a torn last one.

        Raises:
            ConfigError: A line that `append` did not write.
        """
        num_lines = kept_bytes = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            while line := file.readline(_MAX_LINE_BYTES):
                try:
                    self._remember(*_parse(line))
                except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                    if file.read(1) or not _may_be_torn(line, is_first=not num_lines):
                        raise ConfigError(
                            f"{self.path}: line {num_lines + 1} was not written by edgecat watch; "
                            "give --out a new file, or remove that line"
                        ) from None
                    os.ftruncate(self._descriptor, kept_bytes)
                    break
                num_lines += 1
                kept_bytes += len(line)
        os.fsync(self._descriptor)
        return num_lines

    def _follow_rotation(self) -> None:
        """Begin a new file if the open one does not stand at its path any more.

        Raises:
            ConfigError: Another process has begun it.
        """
        try:
            if self.is_same_file(self.path.stat()):
                return
        except FileNotFoundError:
            pass
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)
        self._torn_at_bytes = None
        self._load()
        self._progress.say(
            f"{self.path}: was moved away or removed; a new one is begun. What was answered until "
            "now stays known until the next start."
        )

    def _write(self, line: bytes) -> None:
        self._cut_torn_line()
        self._torn_at_bytes = os.fstat(self._descriptor).st_size
        try:
            while line:  # once, but on a disk that runs full midway
                line = line[os.write(self._descriptor, line) :]
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # a disk that became read-only: before the next line
                self._cut_torn_line()
            raise
        self._torn_at_bytes = None

    def _cut_torn_line(self) -> None:
        if self._torn_at_bytes is not None:
            size_bytes = os.fstat(self._descriptor).st_size
            os.ftruncate(self._descriptor, min(size_bytes, self._torn_at_bytes))
            self._torn_at_bytes = None

    def _remember(self, photo: str, stamp: Stamp, content: bytes) -> None:
        self._last[photo] = stamp, content
        self._files[stamp] = content


def _parse(line: bytes) -> tuple[str, Stamp, bytes]:
    if not line.endswith(b"\n"):
        raise ValueError("torn")
    values = json.loads(line)
    stamp = Stamp(*(int(values[name]) for name in ("size_bytes", "mtime_ns", "inode")))
    return str(values["photo"]), stamp, bytes.fromhex(values["sha256"])


def _may_be_torn(line: bytes, *, is_first: bool) -> bool:
    """Return whether a last line can be the rest of one of ours, or what a power cut made of it.

    After a power cut a file may have its new length, but zeros where the data did not get to the
    disk in time: at the end of a line, or, behind lines that did, at its beginning.
    """
    if line.startswith(b"\0") and not is_first:
        return True
    return _BEGINNING.startswith(line[: len(_BEGINNING)].rstrip(b"\0\n"))
