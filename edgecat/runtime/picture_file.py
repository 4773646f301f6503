"""Pictures made of photos, in one folder, each under a name of its own."""

import re
from pathlib import Path

from edgecat import atomic

# What a name may hold on every file system, and is no command in a terminal or a shell.
_OTHERS = re.compile(r"[^\w-]+")

# File systems take 255 bytes; a letter has at most 4.
_MAX_LETTERS = 50


class PictureFolder:
    """A folder that pictures are written into, whole or not at all.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder.

        Raises:
            StorageError: It cannot be made.
        """
        self.path = path
        self._names: set[str] = set()
        with atomic.storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)

    def write(self, photo: Path, png: bytes) -> Path:
        """Write a photo's picture and return its path; two photos of one name get two.

        Args:
            photo: From which the picture is named.
            png: The file.

        Raises:
            StorageError: The disk is full or closed.
        """
        stem = _OTHERS.sub("-", photo.stem).strip("-")[:_MAX_LETTERS] or "photo"
        name, number = stem, 1
        while name.casefold() in self._names:  # one file on some file systems
            number += 1
            name = f"{stem}-{number}"
        self._names.add(name.casefold())
        target = self.path / f"{name}.png"
        atomic.write_file(target, lambda file: file.write(png))
        return target
