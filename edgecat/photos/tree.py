"""The folders and files of a data set as a tree of names, whether on a disk or in a zip file."""

import dataclasses
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecat.errors import DatasetError

#: What operating systems leave in folders of photos.
LITTER = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})

# Several wrappers, a split, a class, folders within it: eight are many, 32 are a mistake.
_MAX_DEPTH = 32


@dataclasses.dataclass
class Folder:
    """A folder and what is below it.

    Attributes:
        path: From the data set's own folder, with `/`; "" is that folder itself.
        folders: The folders in it, by name.
        files: The names of the files in it.
    """

    path: str = ""
    folders: dict[str, "Folder"] = dataclasses.field(default_factory=dict)
    files: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the last part of its path."""
        return self.path.rpartition("/")[2]

    def enter(self, name: str) -> "Folder":
        """Return the folder of this name in it, made if it is not there yet."""
        return self.folders.setdefault(name, Folder(self.path_of(name)))

    def path_of(self, name: str) -> str:
        """Return the path of something in it."""
        return f"{self.path}/{name}" if self.path else name

    def all_files(self) -> Iterator[str]:
        """Yield the paths of all files below, in the order of names, folder by folder."""
        for name in sorted([*self.folders, *self.files]):
            if name in self.folders:
                yield from self.folders[name].all_files()
            else:
                yield self.path_of(name)


def is_litter(name: str) -> bool:
    """Say whether a file or folder is hidden or what operating systems leave behind."""
    return name.startswith(".") or name in LITTER


def add_file(root: Folder, path: str) -> None:
    """Put a file into a tree, with the folders above it; litter is left out.

    Args:
        root: The tree.
        path: Of the file from there, in no more folders than `check_depth` accepts.
    """
    *above, name = path.split("/")
    if any(map(is_litter, (*above, name))):
        return
    folder = root
    for part in above:
        folder = folder.enter(part)
    if name:
        folder.files.append(name)


def list_folder(root: Path) -> Folder:
    """Read the names below a folder on disk, without the litter.

    Links to files are followed, links to folders too unless they lead back to where they stand in.

    Raises:
        DatasetError: A folder that cannot be read, a link that leads back to a folder above it,
            or too many folders in each other.
    """
    folder = Folder()
    _list_into(folder, root, ())
    return folder


def _list_into(folder: Folder, path: Path, above: tuple[str, ...]) -> None:
    check_depth(path, len(above))
    try:
        real = os.path.realpath(path)
        with os.scandir(path) as found:
            entries = sorted((entry.name, _is_folder(entry)) for entry in found)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    if real in above:
        raise DatasetError(f"{path}: a link that leads back to its own folder; remove it")
    for name, is_folder in entries:
        if is_litter(name):
            continue
        if is_folder:
            _list_into(folder.enter(name), path / name, (*above, real))
        else:
            folder.files.append(name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: a broken photo, which is found by its name later
        return False


def check_depth(path: str | Path, depth: int) -> None:
    """Refuse more folders in each other than anybody has.

    Args:
        path: Of a file or folder, for the message.
        depth: In how many it lies.

    Raises:
        DatasetError: More than `_MAX_DEPTH`.
    """
    if depth > _MAX_DEPTH:
        raise DatasetError(
            f"{str(path)[:200]}...: folders more than {_MAX_DEPTH} deep in each other; give the "
            "folder that holds the classes"
        )


def list_photos(names: Sequence[str]) -> Iterator[str]:
    """Yield files as they are given, and of folders all that lies below, in the order of names.

    An empty folder is yielded itself, so that whoever reads the files says what is wrong with it.
    Pipes and devices in a folder are left out: who reads one waits until somebody writes.

    Raises:
        DatasetError: A folder that cannot be read.
    """
    for name in names:
        files = [*list_folder(Path(name)).all_files()] if Path(name).is_dir() else []
        below = [path for path in map(Path(name).joinpath, files) if not is_pipe(path)]
        yield from map(str, below) if below else [name]


def is_pipe(path: Path) -> bool:
    """Say whether something is there that is neither file nor folder: a pipe, a device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever reads it says what is wrong
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def describe_folder(path: Path) -> str:
    """Say of a folder that stands in place of a photo what to give, without its name."""
    try:
        is_empty = not any(list_folder(path).all_files())
    except DatasetError as error:
        return error.without(str(path))
    return "a folder without photos; give photos" if is_empty else "a folder; give the photos in it"
