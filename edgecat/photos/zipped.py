"""Photos in a zip file, read where they are: nothing is unpacked, so nothing can land elsewhere."""

import itertools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgecat.errors import DatasetError, ImageError
from edgecat.photos.decode import MAX_BYTES
from edgecat.photos.tree import Folder, add_file, check_depth
from edgecat.photos.zips import (
    ZipError,
    check_entry,
    check_growth,
    decode_name,
    open_zip,
    read_entry,
)

# About 300,000 photos with names of usual length; zipfile takes 6 times as much memory.
_MAX_DIRECTORY_BYTES = 32 * 2**20

_DRIVE = re.compile("[A-Za-z]:")
_MEND = (
    "give a folder that has a sub-folder per class, or a zip file of it: zip -r photos.zip photos"
)


class PhotoZip:
    """An open zip file of labelled photos; it closes with the last reference to it.

    Attributes:
        path: The zip file.
    """

    def __init__(self, path: Path) -> None:
        """Open it and check every entry, none of which is unpacked.

        Args:
            path: Anybody's zip file.

        Raises:
            DatasetError: Not a zip file, damaged or encrypted, links, devices, the same name twice,
                names that lead out of a folder, too many folders in each other, or far more bytes
                than it has.
        """
        self.path = path
        try:
            self._zip = open_zip(path, max_directory_bytes=_MAX_DIRECTORY_BYTES)
            self._entries = _list_entries(self._zip)
            check_growth(self._entries.values(), path)
        except ZipError as error:
            raise DatasetError(f"{path}: {error}; {_MEND}") from error

    def list(self) -> Folder:
        """Return the names in it, without litter and zip files within."""
        root = Folder()
        for name in sorted(self._entries):
            if not name.lower().endswith(".zip"):
                add_file(root, name)
        return root

    def read(self, name: str) -> bytes:
        """Return an entry's bytes; from several threads, too.

        Args:
            name: As the entry is called, with `/`.

        Raises:
            ImageError: No such entry, larger than a photo may be, or damaged.
        """
        if name not in self._entries:
            raise ImageError(f"{self.path / name}: no such entry in the zip file")
        try:
            return read_entry(self._zip, self._entries[name], MAX_BYTES)
        except ZipError as error:
            raise ImageError(f"{self.path / name}: {error}") from error


def _list_entries(packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in packed.infolist():
        check_entry(info)
        name = decode_name(info)
        parts = name.removesuffix("/").split("/")
        if {"", ".", ".."} & {*parts} or _DRIVE.match(name) or "\0" in name:
            raise ZipError(f"entry {name!r}: no plain path of folders and a name")
        if name in entries:
            raise ZipError(f"entry {name!r}: it is there twice")
        check_depth(name, len(parts) - 1)
        entries[name] = info
    for above in itertools.chain.from_iterable(map(_list_above, entries)):
        if above in entries:
            raise ZipError(f"entry {above!r}: it is there as a file and as a folder")
    return entries


def _list_above(name: str) -> Iterator[str]:
    """Yield the folders that an entry lies in, the outermost first."""
    return (name[: found.start()] for found in re.finditer("/", name.removesuffix("/")))
