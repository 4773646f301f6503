"""A data set of labelled photos: a folder, or a zip file of it, as people have them.

`edgecat.photos.layout` understands the folders, `edgecat.photos.reading` reads the photos.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from edgecat.errors import DatasetError, ImageError
from edgecat.photos.decode import read_photo
from edgecat.photos.labels import UNKNOWN, label_of
from edgecat.photos.layout import Layout, understand
from edgecat.photos.photo_list import check_listed, load_list
from edgecat.photos.split import check_classes
from edgecat.photos.tree import is_pipe, list_folder
from edgecat.photos.zipped import PhotoZip
from edgecat.progress import describe_count

#: The largest class has this many times the photos of the smallest: from there on classes count as
#: unequal. Below it nothing is said and every photo is seen once an epoch.
UNEQUAL_RATIO = 3


@dataclasses.dataclass(frozen=True)
class LabelledPhoto:
    """A photo and its class.

    Attributes:
        path: The file; of one in a zip file, the zip file's path and its name in there.
        label: The class as a person writes it ("Maine Coon").
        split: "train", "val" or "test" where the folder says so, else None.
        zipped: The zip file that it is in, if it is in one.
    """

    path: Path
    label: str
    split: str | None = None
    zipped: PhotoZip | None = dataclasses.field(default=None, compare=False, repr=False)

    def read(self) -> bytes:
        """Return the photo's bytes.

        Raises:
            ImageError: It is not there, no plain file, cannot be read, or is too large.
        """
        if self.zipped is not None:
            return self.zipped.read(self.path.relative_to(self.zipped.path).as_posix())
        if is_pipe(self.path):
            raise ImageError(f"{self.path}: a pipe or device, not a file")
        return read_photo(self.path)


@dataclasses.dataclass(frozen=True)
class PhotoFolder:
    """A data set, understood.

    Attributes:
        root: The folder (or the place in a zip file) that holds the classes or the splits.
        photos: Sorted by path.
        understood: How it was understood, in a line.
        notes: What a person should know: what was left out.
        zipped: The zip file, if it is one.
    """

    root: Path
    photos: tuple[LabelledPhoto, ...]
    understood: str
    notes: tuple[str, ...] = ()
    zipped: PhotoZip | None = dataclasses.field(default=None, compare=False, repr=False)

    def photo(self, path: str, label: str) -> LabelledPhoto:
        """Return the photo at a path of a split, whether it is there or not."""
        if Path(path).is_absolute():  # one that was added, see `edgecat.photos.added`
            return LabelledPhoto(Path(path), label)
        return LabelledPhoto(self.root / path, label, zipped=self.zipped)

    def path_of(self, photo: LabelledPhoto) -> str:
        """Return the path of one of its photos from the root, with `/`."""
        return photo.path.relative_to(self.root).as_posix()


def load_folder(data: Path, photo_list: Path | None = None) -> PhotoFolder:
    """List the photos of a data set and say how its folders were understood.

    Accepted are a sub-folder per class; the same below folders named as splits ("train", "Valid",
    "testing", ...), of which some may be missing or empty; either within folders that hold nothing
    else; and a zip file of any of these. Every file below a class folder counts as a photo, but
    hidden ones and the usual litter of operating systems; what is none is found by `read_photos`.

    Args:
        data: The folder or zip file.
        photo_list: A file that says which of the photos to use, see `edgecat.photos.photo_list`;
            None for all.

    Raises:
        DatasetError: No such folder, no photo in it, a zip file that is not safe, folders that
            cannot be understood, class folders with names that make no label, or a list that does
            not read or names what is not there.
    """
    zipped = PhotoZip(data) if data.is_file() else None
    if zipped is None and not data.is_dir():
        raise DatasetError(
            f"{data}: no such folder; give one that has a sub-folder per class, or a .zip of it"
        )
    layout = understand(zipped.list() if zipped else list_folder(data), str(data))
    root = data / layout.top
    photos = tuple(
        LabelledPhoto(data / path, label_of(found.folder.name), found.split, zipped)
        for found in layout.classes
        for path in found.folder.all_files()
    )
    if not photos:
        why = f" in class folders ({'; '.join(layout.notes)})" if layout.notes else ""
        raise DatasetError(
            f"{data}: no photos{why}; it must hold one sub-folder per class with the class's "
            "photos in it (DATA/Siamese/1.jpg), or train/, val/ and test/ with such sub-folders"
        )
    folder = PhotoFolder(root, photos, _describe(data, layout, photos), layout.notes, zipped)
    return folder if photo_list is None else _keep_listed(folder, photo_list)


def _keep_listed(folder: PhotoFolder, photo_list: Path) -> PhotoFolder:
    """Return a data set with those of its photos that a list names.

    Raises:
        DatasetError: The list does not read, is empty, or names what is not there.
    """
    paths = [folder.path_of(photo) for photo in folder.photos]
    listed = check_listed(load_list(photo_list), paths, f"--list {photo_list}, {folder.root}")
    kept = tuple(p for p, path in zip(folder.photos, paths, strict=True) if path in listed)
    note = f"{photo_list}: {len(kept)} of {len(paths)} photos are listed, the others are left out"
    return dataclasses.replace(folder, photos=kept, notes=(*folder.notes, note))


def load_training_folder(data: Path, photo_list: Path | None = None) -> PhotoFolder:
    """List the photos of a data set to learn from; its notes say what is missing from its splits.

    Args:
        data: As for `load_folder`.
        photo_list: The same.

    Raises:
        DatasetError: As `load_folder`; fewer than two classes, or too few photos in one; one that
            is called as what is none of them; a ready split without photos to train with, or with
            classes that have none, all named.
    """
    folder = load_folder(data, photo_list)
    notes = _check_splits(folder, data)
    counts = count_labels(folder.photos)
    check_classes(counts)
    if named := [label for label in counts if label.casefold() == UNKNOWN]:
        raise DatasetError(
            f"{data}: class {named[0]!r}: that is what a model answers where a photo shows none of "
            "its classes; give the folder another name, such as 'other'"
        )
    return dataclasses.replace(folder, notes=(*folder.notes, *notes))


def _check_splits(folder: PhotoFolder, data: Path) -> list[str]:
    """Say what is missing from a ready split.

    Raises:
        DatasetError: No photos to train with, of all classes or of some that have others.
    """
    labels_of = defaultdict(set)
    for photo in folder.photos:
        labels_of[photo.split].add(photo.label)
    if None in labels_of:
        return []
    if "train" not in labels_of:
        raise DatasetError(
            f"{data}: {folder.understood}: no photos to train with; name their folder train/, or "
            "give the folder that holds the classes"
        )
    notes = []
    for split in ("val", "test"):
        if strangers := sorted(labels_of[split] - labels_of["train"]):
            raise DatasetError(
                f"{data}: photos of {', '.join(map(repr, strangers))} in {split}, but none in "
                f"train, so it cannot be learned; add some to train, or remove it from {split}"
            )
        if not labels_of[split]:
            notes.append(f"no photos for {split}: taken from train ({split}_ratio of the recipe)")
        elif missing := sorted(labels_of["train"] - labels_of[split]):
            notes.append(f"no photo in {split} of {', '.join(map(repr, missing))}")
    return notes


def find_photos(data: Path) -> tuple[LabelledPhoto, ...]:
    """List the photos of a data set, sorted by path.

    Raises:
        DatasetError: As `load_folder`.
    """
    return load_folder(data).photos


def count_labels(photos: Sequence[LabelledPhoto]) -> dict[str, int]:
    """Return the number of photos of each label, sorted by label."""
    return dict(sorted(Counter(photo.label for photo in photos).items()))


def are_unequal(nums: Collection[int]) -> bool:
    """Return whether some class has many more photos than another.

    Args:
        nums: Photos of each class, 1 or more.
    """
    return max(nums) >= UNEQUAL_RATIO * min(nums)


def _describe(data: Path, layout: Layout, photos: Sequence[LabelledPhoto]) -> str:
    """Say in a line how a data set was understood."""
    wrapped = f" (entered {layout.top}/)" if layout.top else ""
    classes = describe_count(len({photo.label for photo in photos}), "class")
    size = f"{describe_count(len(photos), 'photo')} of {classes}"
    if not layout.splits:
        return f"{data}{wrapped}: a folder per class, {size}"
    num_of = Counter(photo.split for photo in photos)
    parts = [f"{name}/ is {split} ({num_of[split]})" for split, name in layout.splits.items()]
    return f"{data}{wrapped}: split already, {', '.join(parts)}; {size}"
