"""A folder of labelled photos: one sub-folder per class, or train/, val/ and test/ with such."""

import dataclasses
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecat.errors import DatasetError

#: Sub-folders that mean "this data set is split already".
SPLITS = ("train", "val", "test")

#: What operating systems leave in folders of photos.
LITTER = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})

# Two levels deep at most: DATA/train/<class>/<photo>; a class folder may hold folders of its own.
_MAX_DEPTH = 8


@dataclasses.dataclass(frozen=True)
class LabelledPhoto:
    """A photo and its class.

    Attributes:
        path: The file.
        label: The class as a person writes it ("Maine Coon").
        split: "train", "val" or "test" where the folder says so, else None.
    """

    path: Path
    label: str
    split: str | None = None


def label_of(folder: str) -> str:
    """Return the label that a class folder's name stands for: `_` is written for a blank."""
    return " ".join(unicodedata.normalize("NFC", folder).replace("_", " ").split()) or folder


def find_photos(root: Path) -> tuple[LabelledPhoto, ...]:
    """List the photos of a folder, sorted by path.

    Every file below a class folder counts as a photo, but hidden ones and the usual litter of
    operating systems; what is none is found by `read_photos`. Links to files are followed, links to
    folders too unless they lead back to where they stand in.

    Raises:
        DatasetError: No such folder, no photo in it, or a class that cannot be printed.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give one that has a sub-folder per class")
    folders = [entry for entry in _entries(root) if entry.is_dir()]
    is_split = len({folder.name for folder in folders} & set(SPLITS)) >= 2
    if is_split:
        names = {folder.name for folder in folders}
        if names != set(SPLITS):
            raise DatasetError(
                f"{root}: holds {', '.join(sorted(names))}; a data set that is split already has "
                "train/, val/ and test/ and nothing else. Without them edgecat splits it itself."
            )
    photos = []
    for folder in folders:
        class_folders = (
            [entry for entry in _entries(folder) if entry.is_dir()] if is_split else [folder]
        )
        for class_folder in class_folders:
            label = label_of(class_folder.name)
            if not label.isprintable():
                raise DatasetError(
                    f"{str(class_folder)!r}: a class folder's name becomes a label, so it must be "
                    "printable text in UTF-8; rename it"
                )
            split = folder.name if is_split else None
            photos += [LabelledPhoto(path, label, split) for path in _files(class_folder)]
    if not photos:
        raise DatasetError(
            f"{root}: no photos; it must hold one sub-folder per class with the class's photos in "
            "it (DATA/Siamese/1.jpg), or train/, val/ and test/ with such sub-folders"
        )
    return tuple(photos)


def count_labels(photos: Sequence[LabelledPhoto]) -> dict[str, int]:
    """Return the number of photos of each label, sorted by label."""
    return dict(sorted(Counter(photo.label for photo in photos).items()))


def _entries(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror})") from error
    return [folder / name for name in names if not name.startswith(".") and name not in LITTER]


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder.

    Raises:
        DatasetError: A link leads back to a folder above it, or a folder cannot be read.
    """
    real = folder.resolve()
    if real in above or len(above) > _MAX_DEPTH:
        raise DatasetError(f"{folder}: a link that leads back to its own folder; remove it")
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _files(entry, (*above, real))
        else:
            yield entry
