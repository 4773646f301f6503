"""Zip files of strangers, read without trust: limits before work, never more than was declared."""

import contextlib
import io
import stat
import struct
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgecat.errors import describe_reason

# JPEG does not shrink, weights by a quarter, JSON and XML to a fifteenth; zeros to a thousandth.
MAX_RATIO = 100

_CHUNK_BYTES = 2**20

# Source: APPNOTE.TXT 6.3.10, 4.4.4: bit 0 encrypted, bit 11 the name is UTF-8.
_ENCRYPTED, _UTF8 = 1 << 0, 1 << 11

# All that zipfile is known to raise on a damaged file.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError,
    ValueError,
)  # fmt: skip


class ZipError(Exception):
    """What is wrong with a zip file; whoever opened it adds its name and how to mend it."""


class _BoundedFile(io.BufferedReader):
    """A file of which, while `most_bytes` is set, no larger part is read at once.

    zipfile reads the whole list of entries in one read, however long a stranger made it, and makes
    an object of each entry, before anyone can look at one.
    """

    most_bytes: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most_bytes is not None and size is not None and size > self.most_bytes:
            raise ZipError("more entries than are accepted")
        return super().read(size)


def open_zip(archive: Path, *, max_directory_bytes: int) -> zipfile.ZipFile:
    """Open a zip file; it is closed by its context or with the last reference to it.

    Args:
        archive: The file.
        max_directory_bytes: Most that the list of entries may have; about 100 bytes an entry.

    Raises:
        ZipError: Not a file, not a zip file, a damaged one, or one with too many entries.
    """
    try:
        if not archive.is_file():
            raise ZipError("no such zip file")
        file = _BoundedFile(io.FileIO(archive))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ZipError(f"cannot be read ({describe_reason(error)})") from error
    file.most_bytes = max_directory_bytes
    try:
        packed = zipfile.ZipFile(file)
    except _DAMAGED as error:
        file.close()
        raise ZipError(f"no zip file, or a damaged one ({error})") from error
    except ZipError:
        file.close()
        raise
    file.most_bytes = None
    weakref.finalize(packed, file.close)
    return packed


def check_entry(info: zipfile.ZipInfo) -> None:
    """Refuse what is neither a plain file nor a folder, or cannot be read.

    Raises:
        ZipError: A link, a device, an encrypted entry, or one that is compressed unusually.
    """
    kind = stat.S_IFMT(info.external_attr >> 16)
    name = info.orig_filename
    if kind not in (0, stat.S_IFDIR if name.endswith("/") else stat.S_IFREG):
        raise ZipError(f"entry {name!r}: it is a link or a device")
    if info.flag_bits & _ENCRYPTED:
        raise ZipError(f"entry {name!r}: it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ZipError(
            f"entry {name!r}: it is compressed in another way than zip files usually are"
        )


def check_growth(entries: Iterable[zipfile.ZipInfo], archive: Path) -> None:
    """Refuse a zip bomb: what all entries declare is far more than the file holds.

    Raises:
        ZipError: More than `MAX_RATIO` times as much.
    """
    if sum(info.file_size for info in entries) > MAX_RATIO * archive.stat().st_size:
        raise ZipError(f"grows more than {MAX_RATIO}-fold when unpacked")


def decode_name(info: zipfile.ZipInfo) -> str:
    """Return an entry's name as its maker meant it.

    macOS and Info-ZIP write UTF-8 without saying so, and zipfile takes that for cp437, which it
    is only where it is no UTF-8.
    """
    # As it stands in the file: zipfile has cut its own copy of the name at a NUL.
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode()
    # Old programs of Windows separate folders as Windows does.
    return name.replace("\\", "/") if info.create_system == 0 else name


def read_chunks(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield an entry's bytes: never more than it declares, and an error where it is less.

    Raises:
        ZipError: Damaged or cut off.
    """
    left_bytes = info.file_size
    try:
        with packed.open(info) as file:
            while chunk := file.read(_CHUNK_BYTES):
                left_bytes -= len(chunk)
                yield chunk
    except _DAMAGED as error:
        raise ZipError(f"{info.filename}: damaged ({error})") from error
    if left_bytes:
        raise ZipError(f"{info.filename}: cut off")


def read_entry(packed: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """Return an entry's bytes.

    Raises:
        ZipError: More than `max_bytes`, damaged or cut off.
    """
    if info.file_size > max_bytes:
        raise ZipError(f"{info.filename}: larger than {max_bytes} bytes")
    return b"".join(read_chunks(packed, info))
