"""The results file: a log that grows by whole lines, and may be rotated at any moment.

It is found out here what happened to the file; what that means is decided in `journal`.

**Rotation** may come between any two steps of `journal`'s. Lines that are not found afterwards,
neither in the file nor in the two newest rotated ones beside it (packed or not), are written once
more,

- if they were not noted as written; or
- if older ones, of the newest 1,000, are in a rotated one: `copytruncate` copied the file, we
  wrote on, and it truncated what it had not copied. (A rotation by renaming loses nothing.)

Lines that were seen in the file, and are gone without a trace, were taken away by their owner.
Two things are beyond this: a file that is renamed and packed within the same millisecond in which
a line is written (`delaycompress` prevents that), and one that is carried off to another folder
before the next start after a kill: the last line may then be written twice.
"""

import bz2
import contextlib
import fcntl
import gzip
import heapq
import io
import lzma
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import IO

from edgecat.atomic import sync_folder
from edgecat.errors import ConfigError, EdgecatError, StorageError
from edgecat.photos.formats import ENDINGS
from edgecat.watch.photo import find_file

# How rotated files are packed, as far as Python can read it: how they begin, what opens them. Not
# by their endings: logrotate renames one that is in its way to "results.jsonl-...gz-...backup".
_OPENERS: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
_PACKED_ENDINGS = (".gz", ".bz2", ".xz")
_BLOCK_BYTES = 2**20

# Of the rotated files the newest, and one more: it may have been rotated twice since the last look.
_NUM_ROTATED = 2

#: Ends the name of the database that stands beside a results file.
RECORD_ENDING = ".done.sqlite"


class ResultsFile:
    """An open results file. Only one process may have it.

    Attributes:
        path: As the user gave it.
        place: The same without links: what stands beside it, stands beside this.
        end_bytes: Where the next line goes, as long as nobody else touches the file.
    """

    def __init__(self, path: Path) -> None:
        """Open a results file or begin one.

        Args:
            path: The file; its folder must exist.

        Raises:
            ConfigError: Another process has it open, or it is no file.
            StorageError: It cannot be opened for writing.
        """
        self.path = path
        self.place = Path(os.path.realpath(path))
        self._descriptor = self._open()
        self.end_bytes = self.measure()

    def measure(self) -> int:
        """Return how many bytes the open file has."""
        return os.fstat(self._descriptor).st_size

    def is_in_its_place(self) -> bool:
        """Return whether the open file is the one that stands at the path."""
        try:
            return os.path.samestat(self.place.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def is_undisturbed(self) -> bool:
        """Return whether the file is as the last line left it."""
        return self.is_in_its_place() and self.measure() == self.end_bytes

    def reopen(self) -> AbstractSet[bytes]:
        """Go over to the file that stands at the path now.

        Returns:
            The last lines of the one that was open, if that still stands anywhere.

        Raises:
            ConfigError: As when it was opened.
            StorageError: The same.
        """
        os.fsync(self._descriptor)
        is_anywhere = os.fstat(self._descriptor).st_nlink > 0
        last_lines = self.load_last_lines(_BLOCK_BYTES).keys() if is_anywhere else frozenset()
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)
        self.end_bytes = self.measure()
        return last_lines

    def append(self, line: bytes) -> None:
        """Write a line and flush it to the disk.

        Raises:
            OSError: It could not be written whole, and was cut off again.
        """
        try:
            rest = line
            while rest:  # once, but on a disk that runs full midway
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # a disk that became read-only
                self.cut(self.end_bytes)
            raise
        self.end_bytes += len(line)

    def cut(self, end_bytes: int) -> None:
        """Cut off what stands behind a place, and flush the rest to the disk.

        Raises:
            OSError: It could not be cut off.
        """
        os.ftruncate(self._descriptor, min(self.measure(), end_bytes))
        os.fsync(self._descriptor)
        self.end_bytes = self.measure()

    @contextlib.contextmanager
    def open_to_read(self, start_bytes: int = 0) -> Iterator[IO[bytes]]:
        """Yield the open file to read from a place on."""
        with open(self._descriptor, "rb", closefd=False) as file:
            file.seek(start_bytes)
            yield file

    def load_last_lines(self, num_bytes: int) -> dict[bytes, int]:
        """Return the last lines, each with the place where it ends; whole ones only.

        The size that the file has now counts as undisturbed.
        """
        self.end_bytes = self.measure()
        lines: dict[bytes, int] = {}
        place_bytes = max(0, self.end_bytes - num_bytes)
        with self.open_to_read(place_bytes) as file:
            for line in file.read(self.end_bytes - place_bytes).splitlines(keepends=True):
                place_bytes += len(line)
                lines[line] = place_bytes
        return lines

    def load_rotated_tails(self, num_bytes: int) -> Iterator[bytes]:
        """Yield the last bytes of the newest rotated files beside this one, unpacked."""
        found = []
        for path in self.place.parent.iterdir():
            status = find_file(path)
            if status and self._may_be_rotated(path.name):
                found.append((status.st_mtime_ns, path))
        for _, path in heapq.nlargest(_NUM_ROTATED, found):
            yield _load_unpacked_tail(path, num_bytes)

    def move_aside(self) -> Path:
        """Give the file the next free number, so that a new one can be begun; return its place.

        Raises:
            OSError: It could not be renamed.
        """
        beginning = f"{self.place.name}."
        names = (path.name for path in self.place.parent.iterdir())
        ends = (name.removeprefix(beginning) for name in names if name.startswith(beginning))
        number = 1 + max((int(end) for end in ends if end.isdecimal()), default=0)
        aside = self.place.with_name(f"{beginning}{number:06d}")
        self.place.rename(aside)
        sync_folder(self.place.parent)
        return aside

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._descriptor)

    def _may_be_rotated(self, name: str) -> bool:
        """Return whether a name is such as "results.jsonl.1.gz" or "results-20261128.jsonl"."""
        place, whole = self.place, name
        for packed in _PACKED_ENDINGS:
            whole = whole.removesuffix(packed)
        is_like_it = name.startswith(place.name) or (
            whole.startswith(place.stem) and whole.endswith(place.suffix)
        )
        return is_like_it and name != place.name and RECORD_ENDING not in name

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(self.place, flags, 0o666)
            sync_folder(self.place.parent)
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


def match_own(name: str) -> re.Pattern[str]:
    """Return what the names of a results file, of its record and of rotated ones match as a whole.

    More stands behind the name, or a date before its ending. Of results named "cat" none of
    "cats/1.jpg", "cat1.jpg" and "cat.jpg" is one: nobody rotates to the ending of a photo.

    Args:
        name: Of the results file, relative to the folder that names are looked for in.
    """
    ending = re.escape(Path(name).suffix)
    stem = re.escape(name).removesuffix(ending)
    endings = set(map(re.escape, ENDINGS)) - {ending}
    photo = rf"(?s:.*)(?i:{'|'.join(sorted(endings))})\Z"
    return re.compile(rf"(?!{photo})(?:{stem}{ending}(?![^\W_])|{stem}-[\d.-]+{ending}\b)[^/]*")


def _load_unpacked_tail(path: Path, num_bytes: int) -> bytes:
    """Return the last bytes of a file; of one that cannot be read on, what was there before."""
    tail = b""
    # Being packed just now, damaged, or gone since it was listed.
    with contextlib.suppress(OSError, EOFError, zlib.error, lzma.LZMAError):
        with path.open("rb") as file:
            beginning = file.read(max(map(len, _OPENERS)))
            opener = next((o for b, o in _OPENERS.items() if beginning.startswith(b)), None)
            if opener is None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - num_bytes))
                return file.read()
        with opener(path) as packed:
            while block := packed.read(_BLOCK_BYTES):
                tail = (tail + block)[-num_bytes:]
    return tail
