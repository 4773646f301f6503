"""The files of a bundle, each proven to be what the manifest says."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgecat.bundle.manifest import FileRecord
from edgecat.errors import BundleError

#: A model file is about 20 MB.
MAX_FILE_BYTES = 2 * 2**30

_MEND = "copy the bundle again or export it again"


def read_proven(folder: Path, file: str, records: Mapping[str, FileRecord]) -> bytes:
    """Return a file's bytes: these were proven, whatever becomes of the file.

    Args:
        folder: The bundle's.
        file: Its name.
        records: What the manifest says of each file.

    Raises:
        BundleError: The file is missing, changed, or not in the manifest.
    """
    record = check_size(folder, file, records)
    data = read_plain(folder / file)
    _check_sha256(folder / file, hashlib.sha256(data).hexdigest(), record)
    return data


def prove(folder: Path, file: str, records: Mapping[str, FileRecord]) -> None:
    """Check a file without all of it in memory.

    Args:
        folder: As for `read_proven`.
        file: As for `read_proven`.
        records: As for `read_proven`.

    Raises:
        BundleError: As `read_proven`.
    """
    record = check_size(folder, file, records)
    with _reading(folder / file), (folder / file).open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    _check_sha256(folder / file, found, record)


def check_size(folder: Path, file: str, records: Mapping[str, FileRecord]) -> FileRecord:
    """Check that a file is there and of the manifest's size, without reading it.

    Args:
        folder: As for `read_proven`.
        file: As for `read_proven`.
        records: As for `read_proven`.

    Returns:
        What the manifest says of it.

    Raises:
        BundleError: The file is missing, of another size, or not in the manifest.
    """
    record = records.get(file)
    if record is None:
        raise BundleError(f"{folder}: the manifest names no file {file!r}")
    path = folder / file
    found_bytes = size_bytes(path)
    if found_bytes != record.size_bytes:
        raise BundleError(
            f"{path}: {found_bytes} bytes, the manifest says {record.size_bytes}; {_MEND}"
        )
    if found_bytes > MAX_FILE_BYTES:
        raise BundleError(f"{path}: {found_bytes} bytes; at most {MAX_FILE_BYTES} are accepted")
    return record


def read_plain(path: Path) -> bytes:
    """Return a file's bytes, whatever they are.

    Raises:
        BundleError: It cannot be read.
    """
    with _reading(path):
        return path.read_bytes()


def size_bytes(path: Path) -> int:
    """Return the size of a plain file; a link could lead elsewhere, a device or a pipe never end.

    Raises:
        BundleError: It is none.
    """
    if path.is_symlink() or not path.is_file():
        what = "a link" if path.is_symlink() else "missing, or no plain file"
        raise BundleError(f"{path}: {what}; {_MEND}")
    return path.stat().st_size


def _check_sha256(path: Path, found: str, record: FileRecord) -> None:
    if found != record.sha256:
        raise BundleError(
            f"{path}: its SHA-256 is not the manifest's: the file was changed or damaged; {_MEND}"
        )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
