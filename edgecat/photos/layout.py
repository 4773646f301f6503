"""How people arrange labelled photos: which folders are classes, which are splits, which wrap."""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from edgecat.errors import DatasetError
from edgecat.photos.formats import ENDINGS
from edgecat.photos.labels import check_names
from edgecat.photos.tree import Folder

#: What a data set can be split into, in this order.
SPLITS = ("train", "val", "test")

# The names of splits, in any case. Sources: Roboflow (train, valid, test), Ultralytics (train,
# val, test), Keras and torchvision examples (train, validation, test), Hugging Face datasets'
# split keywords (training, dev, testing, eval, evaluation), Kaggle (Training and Testing;
# training_set and test_set; seg_train and seg_test).
_NAMES = {
    "train": "train|training",
    "val": "val|valid|validation|dev",
    "test": "test|testing|eval|evaluation",
}
_SPLIT_NAMES = {
    split: re.compile(rf"(seg[ _-])?({names})([ _-](set|data|images))?", re.IGNORECASE)
    for split, names in _NAMES.items()
}

# Files named in a note, of those that are not used.
_NUM_NAMED = 3


@dataclasses.dataclass(frozen=True)
class ClassFolder:
    """A folder with the photos of one class, and the split that it stands in, if any."""

    folder: Folder
    split: str | None


@dataclasses.dataclass(frozen=True)
class Layout:
    """A data set's folders, understood.

    Attributes:
        top: The folder that holds the classes or the splits, from the data set's own; "" where
            nothing wraps them.
        classes: Those with photos, by split and name.
        splits: Names of the folders of a ready split by what they are; empty without one.
        notes: What a person should know: what was left out.
    """

    top: str
    classes: tuple[ClassFolder, ...]
    splits: dict[str, str]
    notes: tuple[str, ...]


def split_of(name: str) -> str | None:
    """Return the split that a folder's name stands for: "train", "val", "test" or None."""
    return next((split for split, names in _SPLIT_NAMES.items() if names.fullmatch(name)), None)


def understand(data: Folder, where: str) -> Layout:
    """Say which folders are classes, and which of them train, validate and test.

    Accepted are a folder per class, or folders named as splits with such folders; both in any
    number of folders that hold nothing else.

    Args:
        data: All names.
        where: The data set, for messages.

    Raises:
        DatasetError: Splits beside other folders, a split twice, splits below classes, or class
            folders with names as `check_names` refuses them.
    """
    top = _unwrap(data, to_split=True)
    splits = _find_splits(top, where)
    notes = [*_note_loose_files(data, top)]
    candidates = []
    if splits:
        for name in sorted(splits.values()):
            inner = _unwrap(top.folders[name], to_split=False)
            notes += _note_loose_files(top.folders[name], inner)
            candidates += [ClassFolder(folder, split_of(name)) for folder in _sorted(inner)]
    else:
        candidates = [ClassFolder(folder, None) for folder in _sorted(top)]
    classes = [found for found in candidates if _has_files(found.folder)]
    empty = [repr(found.folder.path) for found in candidates if not _has_files(found.folder)]
    if empty:
        notes.append(f"class folders without a photo, left out: {_name_some(empty)}")
    for found in classes:
        _check_class(found.folder, where)
    check_names([found.folder.path for found in classes], where)
    filled = {found.split for found in classes}
    for split in [split for split in splits if split not in filled]:
        notes.append(f"{splits[split]}/ has no class folder with photos: taken as if not there")
        del splits[split]
    return Layout(top.path, tuple(classes), splits, tuple(notes))


def _unwrap(folder: Folder, *, to_split: bool) -> Folder:
    """Return the first folder below that holds several, if down to it there is only one each.

    Args:
        folder: To start from.
        to_split: Whether one that holds nothing but a split is wanted, too.
    """
    below = folder
    while len(below.folders) == 1:
        (child,) = below.folders.values()
        if to_split and split_of(child.name):
            return below
        # A class, then; what is read of it, content decides.
        if any(name.lower().endswith(ENDINGS) for name in child.files):
            return folder
        below = child
    return below if below.folders else folder


def _find_splits(top: Folder, where: str) -> dict[str, str]:
    """Return the folders that are splits: {"val": "Validation", ...}; none, or all there are.

    Raises:
        DatasetError: Two for one split, or others beside them.
    """
    named = {name: split for name in sorted(top.folders) if (split := split_of(name))}
    others = [name for name in sorted(top.folders.keys() - named) if _has_files(top.folders[name])]
    if len(named) == 1 and others:
        return {}  # a class that happens to be called so: trains among cars
    if named and others:
        raise DatasetError(
            f"{where}: holds {', '.join(sorted(named))}, which are splits, beside "
            f"{', '.join(others)}; a data set that is split already has train/, val/ and test/ and "
            "nothing else. Without them edgecat splits it itself."
        )
    splits: dict[str, str] = {}
    for name, split in named.items():
        if split in splits:
            raise DatasetError(
                f"{where}: {splits[split]}/ and {name}/ both mean {split}/; put their photos into "
                "one of them"
            )
        splits[split] = name
    return {split: splits[split] for split in SPLITS if split in splits}


def _check_class(folder: Folder, where: str) -> None:
    inner = [name for name in sorted(folder.folders) if split_of(name)]
    if len(inner) >= 2:
        raise DatasetError(
            f"{where}: {folder.path}/ holds {', '.join(inner)}, so it is no class folder; splits "
            f"stand above classes: {inner[0]}/{folder.name}/1.jpg"
        )


def _note_loose_files(folder: Folder, down_to: Folder) -> list[str]:
    """Say which files beside class folders are not used, from one folder down to another."""
    loose: list[str] = []
    while True:
        loose += [repr(folder.path_of(name)) for name in sorted(folder.files)]
        if folder is down_to:
            break
        (folder,) = folder.folders.values()
    return [f"files in no class folder, not used: {_name_some(loose)}"] if loose else []


def _name_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + more


def _sorted(folder: Folder) -> Iterable[Folder]:
    return [folder.folders[name] for name in sorted(folder.folders)]


def _has_files(folder: Folder) -> bool:
    return next(folder.all_files(), None) is not None
