"""Kept photos that people gave a label: what fine-tuning may add to a data set."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from edgecat.errors import DatasetError
from edgecat.keep.choice import draw_from
from edgecat.keep.decisions import read_decisions, settle
from edgecat.keep.kept import DECISIONS, list_kept
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.labels import check_new_label

# Hex digits of a SHA-256 that say what a photo is for: not those by which the sample was drawn, or
# all of the sample would test.
_NUM_DIGITS = 8


@dataclasses.dataclass(frozen=True)
class Reviewed:
    """What a review came to.

    Attributes:
        folder: Of the kept photos.
        photos: Those with a label, the oldest first, each with what it is for.
        num_gone: Photos with a label that were deleted since.
        num_others: Photos that were skipped or left out.
    """

    folder: Path
    photos: tuple[LabelledPhoto, ...]
    num_gone: int
    num_others: int

    def describe(self) -> str:
        """Return what was found, in a line."""
        gone = f"; {self.num_gone} with a label are gone since, and left out" * bool(self.num_gone)
        return (
            f"{self.folder}: {len(self.photos)} reviewed photos, {self.num_others} skipped or left "
            f"out{gone}"
        )


def load_reviewed(folder: Path, *, val_ratio: float, test_ratio: float) -> Reviewed:
    """Return the reviewed photos of a folder; none is read yet.

    What a photo is for is drawn by its SHA-256 alone. So a photo that tested once tests always, and
    is never learned from, however many are reviewed later.

    Args:
        folder: Of kept photos, with decisions.
        val_ratio: Share to validate with, 0-1.
        test_ratio: Share to test with, 0-1.

    Raises:
        DatasetError: No such folder, decisions that do not read, or no photo with a label.
    """
    decisions = settle(read_decisions(folder / DECISIONS).decisions)
    labels = {d.sha256: d.label for d in decisions.values() if d.label is not None}
    try:
        kept = list_kept(folder)
    except OSError as error:
        raise DatasetError(
            f"--add {folder}: holds no kept photos ({error.strerror}); give the folder of edgecat "
            "review"
        ) from error
    photos = tuple(
        LabelledPhoto(
            photo.path, labels[photo.sha256], _choose_split(photo.sha256, val_ratio, test_ratio)
        )
        for photo in kept
        if photo.sha256 in labels
    )
    num_gone = len(labels) - len(photos)
    if not photos:
        gone = f" any more, {num_gone} were deleted since" * bool(num_gone)
        raise DatasetError(
            f"--add {folder}: no photo with a label{gone}; say what they show: edgecat review "
            f"{folder}"
        )
    return Reviewed(folder, photos, num_gone, len(decisions) - len(labels))


def check_unchanged(photos: Sequence[LabelledPhoto], hashes: Sequence[str]) -> None:
    """Refuse photos that are not those that were reviewed.

    Args:
        photos: Of `load_reviewed`.
        hashes: The hex SHA-256 of each one's bytes.

    Raises:
        DatasetError: Some have changed; the first is named.
    """
    pairs = zip(photos, hashes, strict=True)
    changed = [photo.path for photo, sha256 in pairs if photo.path.stem != sha256]
    if changed:
        raise DatasetError(
            f"{changed[0]}: one of {len(changed)} photos that were changed since they were "
            "reviewed; delete them"
        )


def check_new_classes(
    labels: Collection[str], photos: Sequence[LabelledPhoto], least: int
) -> tuple[str, ...]:
    """Return the classes that only reviewed photos have, sorted.

    Args:
        labels: The classes that there are without them.
        photos: Reviewed ones that are used.
        least: How many photos a class needs.

    Raises:
        ConfigError: A new class's label is none, or nearly that of another class.
        DatasetError: A new class has fewer, or none to train with.
    """
    num_of = Counter(photo.label for photo in photos if photo.label not in labels)
    known = [*labels]
    for label in sorted(num_of):
        check_new_label(label, known)
        known.append(label)
    trained = {photo.label for photo in photos if photo.split == "train"}
    if small := [f"{k!r} ({num})" for k, num in sorted(num_of.items()) if num < least]:
        raise DatasetError(
            f"too few reviewed photos of {', '.join(small)}, copies not counted; a new class needs "
            f"at least {least}: review more, or take the label back (undo, or another label)"
        )
    if untaught := sorted(num_of.keys() - trained):
        raise DatasetError(
            f"all reviewed photos of {', '.join(map(repr, untaught))} fall to validation or test; "
            "review more"
        )
    return tuple(sorted(num_of))


def _choose_split(sha256: str, val_ratio: float, test_ratio: float) -> str:
    place = draw_from(sha256[-_NUM_DIGITS:])
    if place < test_ratio:
        return "test"
    return "val" if place < test_ratio + val_ratio else "train"
