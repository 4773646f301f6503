"""What names a photo: where it lies, what the file system says of it, and its content."""

import dataclasses
import json
import os
import stat
from pathlib import Path
from typing import Any

from edgecat.strict import to_json

#: Every line of a results file begins so.
LINE_BEGINS = b'{"photo": '

#: No line is longer: Linux allows a path 4,096 bytes, of which each is written as 6 at most.
MAX_LINE_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Stamp:
    """What the file system says of a file: as long as it is the same, so is the content.

    Attributes:
        size_bytes: Its size.
        mtime_ns: When its content changed last, in nanoseconds since 1970, as whoever wrote it
            says: uploads set it, and cameras without a clock set it to the same time always.
        inode: Its number within the file system; it stays when the file is renamed, and is given
            to another file when this one is removed. On FAT it is another one after each mount.
        ctime_ns: When anything of the file changed last, its name included; nobody can set it.
            None where it is not known: then it is like no other.
    """

    size_bytes: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None = None

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        """Return the stamp in what `os.stat` found."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


@dataclasses.dataclass(frozen=True, slots=True)
class Photo:
    """A file whose content was read.

    Attributes:
        name: Its path relative to the watched folder, with "/".
        stamp: Its state when it was read.
        sha256: Of its content, 32 bytes.
    """

    name: str
    stamp: Stamp
    sha256: bytes


def format_line(photo: Photo, result: dict[str, Any]) -> bytes:
    """Return the line of a results file for a photo and what is to be said of it."""
    line = {
        "photo": photo.name,
        "size_bytes": photo.stamp.size_bytes,
        "mtime_ns": photo.stamp.mtime_ns,
        "inode": photo.stamp.inode,
        "sha256": photo.sha256.hex(),
    }
    # ASCII, because a file's name need not be text: Python writes other bytes as \udcxx.
    return to_json(line | result, is_ascii=True).encode() + b"\n"


def parse_line(line: bytes) -> Photo:
    """Return the photo of a line that `format_line` made; its time of change does not stand there.

    Raises:
        ValueError: It is no such line.
    """
    if not (line.startswith(LINE_BEGINS) and line.endswith(b"\n")):
        raise ValueError("not a whole line")
    try:
        values = json.loads(line)
        numbers = [values[name] for name in ("size_bytes", "mtime_ns", "inode")]
        name, sha256 = values["photo"], bytes.fromhex(values["sha256"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("other keys than a line has") from error
    is_name = isinstance(name, str) and name and "\0" not in name
    if not (is_name and len(sha256) == 32 and all(type(number) is int for number in numbers)):
        raise ValueError("other values than a line has")
    encode_name(name)
    return Photo(name, Stamp(*numbers), sha256)


def encode_name(name: str) -> bytes:
    """Return a name as it stands on the disk, whatever the locale.

    Raises:
        ValueError: No file has such a name.
    """
    return name.encode("utf-8", "surrogateescape")


def find_file(path: str | Path) -> os.stat_result | None:
    """Return what the system says of a file; None if there is none, or it is something else."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
