"""Accuracy of a bundle's variants on a folder of labelled photos."""

import dataclasses
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecat.bundle.photo_record import load_photo_record
from edgecat.bundle.store import Bundle
from edgecat.errors import ConfigError, DatasetError
from edgecat.photos.folder import LabelledPhoto, load_folder
from edgecat.photos.reading import group_remarks
from edgecat.progress import Progress, Silent
from edgecat.runtime.engine import Engine
from edgecat.scores.answers import Interface, answer_photos
from edgecat.scores.evaluation import Evaluation, score
from edgecat.scores.metrics import Indices, Logits


def evaluate(
    bundle: Bundle,
    engines: Sequence[Engine],
    data: Path,
    *,
    split: str | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> tuple[Evaluation, ...]:
    """Measure the accuracy of a bundle's variants on a folder of labelled photos.

    Args:
        bundle: Whose labels and history count.
        engines: Variants of the bundle, open; all answer the same pixels.
        data: A folder with any subset of the labels as sub-folders, split or not, or a zip of it.
        split: "test" for the photos that were kept from training, "all" for every photo; None for
            "test" where the folder holds photos of the bundle's training, else "all".
        skip_broken: Leave broken photos out instead of refusing all.
        progress: Told of each photo.

    Raises:
        DatasetError: No photos, labels that the model does not know, broken photos, or no test
            photos among them.
        ConfigError: `split` is something else.
    """
    answered = answer_known_photos(
        bundle, engines, data, split=split, skip_broken=skip_broken, progress=progress
    )
    return answered.score(bundle, engines)


@dataclasses.dataclass(frozen=True)
class Answered:
    """What a bundle's variants answered to labelled photos.

    Attributes:
        split: Which of the photos count, "test" or "all".
        targets: int64 `[N]`, their classes.
        logits: float32 `[N, K]` of each variant.
        photos: Where they are.
        hashes: Their SHA-256.
        num_seen: How many of these photos the model was trained or tuned on.
    """

    split: str
    targets: Indices
    logits: tuple[Logits, ...]
    photos: tuple[LabelledPhoto, ...]
    hashes: tuple[str, ...]
    num_seen: int

    def score(self, bundle: Bundle, engines: Sequence[Engine]) -> tuple[Evaluation, ...]:
        """Return the scores of the bundle's variants that answered."""
        labels, targets = bundle.spec.labels, self.targets
        return tuple(
            score(engine.name, self.split, labels, targets, logits, self.num_seen)
            for engine, logits in zip(engines, self.logits, strict=True)
        )

    @property
    def photos_sha256(self) -> str:
        """Return a hash of all photos and their classes, whatever their order and names.

        The same photos, the same hash; a corrected class changes what is right, and so the hash.
        """
        labelled = zip(self.hashes, self.photos, strict=True)
        lines = sorted(f"{sha256} {photo.label}\n" for sha256, photo in labelled)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def list_right(self) -> list[str]:
        """Return of each variant which photos it has right, "1", or wrong, "0", sorted by hash."""
        order = np.argsort(np.array(self.hashes), kind="stable")
        return [
            "".join("01"[int(right)] for right in (logits.argmax(axis=1) == self.targets)[order])
            for logits in self.logits
        ]


def answer_known_photos(
    bundle: Bundle,
    engines: Sequence[Engine],
    data: Path,
    *,
    split: str | None = None,
    skip_broken: bool = False,
    progress: Progress | None = None,
) -> Answered:
    """Let a bundle's variants answer labelled photos; all arguments are those of `evaluate`.

    Raises:
        DatasetError: As `evaluate`.
        ConfigError: The same.
    """
    if split not in (None, "test", "all"):
        raise ConfigError(f"split {split!r}: accepted are 'test' and 'all'")
    progress = progress or Silent()
    photos = find_known_photos(bundle, data, progress)
    broken: list[tuple[Path, str]] = []
    odd: list[tuple[Path, str]] = []
    answers = answer_photos(
        [engine.run for engine in engines],
        Interface(bundle.spec.input, bundle.spec.labels),
        photos,
        progress,
        on_broken=(lambda *remark: broken.append(remark)) if skip_broken else None,
        on_odd=lambda *remark: odd.append(remark),
    )
    for line in group_remarks(broken):
        progress.say(f"left out: {line}")
    for line in group_remarks(odd):
        progress.say(f"note: {line}")
    seen = load_photo_record(bundle)
    was_trained = np.array([seen.was_trained(sha256) for sha256 in answers.hashes], bool)
    in_test = np.array(
        [
            photo.split == "test" or seen.was_tested(sha256)
            for photo, sha256 in zip(answers.photos, answers.hashes, strict=True)
        ],
        bool,
    )
    chosen = split or ("test" if was_trained.any() and in_test.any() else "all")
    if chosen == "test" and not in_test.any():
        raise DatasetError(
            f"{data}: holds none of the photos that {bundle.path.name} was tested on; score every "
            "photo with --split all"
        )
    keep = in_test if chosen == "test" else np.ones(len(in_test), bool)
    return Answered(
        split=chosen,
        targets=answers.targets[keep],
        logits=tuple(logits[keep] for logits in answers.logits),
        photos=tuple(itertools.compress(answers.photos, keep)),
        hashes=tuple(itertools.compress(answers.hashes, keep)),
        num_seen=int(was_trained[keep].sum()),
    )


def find_known_photos(bundle: Bundle, data: Path, progress: Progress) -> tuple[LabelledPhoto, ...]:
    """List a data set's photos, all of whose labels the bundle knows, and say how it is arranged.

    Raises:
        DatasetError: No photos, or unknown labels, all named.
    """
    folder = load_folder(data)
    unknown = sorted({photo.label for photo in folder.photos} - set(bundle.spec.labels))
    if unknown:
        raise DatasetError(
            f"{folder.root}: the model does not know {', '.join(map(repr, unknown))}; it knows "
            f"{', '.join(bundle.spec.labels)}. Remove or rename these folders."
        )
    for line in (folder.understood, *folder.notes):
        progress.say(line)
    return folder.photos
