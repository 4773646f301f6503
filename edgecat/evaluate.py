"""Accuracy of models on labelled photos: each photo is read once and answered by all of them."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecat import scores
from edgecat.bundle import Bundle
from edgecat.errors import ConfigError, DatasetError
from edgecat.photos import LabelledPhoto, find_photos, read_photos
from edgecat.pixels import Pixels, load_pixels
from edgecat.progress import Progress, Silent
from edgecat.runtime.engines.base import Engine
from edgecat.scores import Indices, Logits
from edgecat.seen import load_seen

# Photos a call: large enough to keep the cores busy, 5 MB of pixels.
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class ClassScore:
    """One class's part of an evaluation.

    Attributes:
        num_images: Photos of the class.
        recall_ratio: Share of them answered with the class, 0-1.
        precision_ratio: Share of the class's answers that are right, 0-1.
    """

    num_images: int
    recall_ratio: float
    precision_ratio: float


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `edgecat evaluate --json` prints.

    Attributes:
        variant: Which model answered.
        split: "test": the photos that the model never saw; "all": every photo of the folder.
        num_images: Photos answered.
        num_seen: How many of them the model was trained or tuned on.
        top1_ratio: Share answered rightly, 0-1.
        top1_interval_ratio: Its 95 % interval.
        macro_f1_ratio: Mean F1 of the classes that have photos, 0-1.
        per_class: By label, classes with photos only.
    """

    variant: str
    split: str
    num_images: int
    num_seen: int
    top1_ratio: float
    top1_interval_ratio: tuple[float, float]
    macro_f1_ratio: float
    per_class: dict[str, ClassScore]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Answers:
    """What models answered to labelled photos.

    Attributes:
        photos: Those that could be read.
        targets: int64 `[N]`, the right classes.
        hashes: The photos' SHA-256.
        logits: float32 `[N, K]` of each model, in the order in which they were given.
    """

    photos: tuple[LabelledPhoto, ...]
    targets: Indices
    hashes: tuple[str, ...]
    logits: tuple[Logits, ...]


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
        data: A folder with any subset of the labels as sub-folders.
        split: "test" for the photos that were kept from training, "all" for every photo; None for
            "test" where the folder holds photos of the bundle's training, else "all".
        skip_broken: Leave broken photos out instead of refusing all.
        progress: Told of each photo.

    Raises:
        DatasetError: No photos, labels that the model does not know, broken photos, or no test
            photos among them.
        ConfigError: `split` is something else.
    """
    if split not in (None, "test", "all"):
        raise ConfigError(f"split {split!r}: accepted are 'test' and 'all'")
    photos = find_known_photos(bundle, data)
    progress = progress or Silent()
    broken: list[str] = []
    answers = answer_photos(
        [engine.run for engine in engines],
        bundle.spec.labels,
        photos,
        progress,
        on_broken=broken.append if skip_broken else None,
    )
    for line in broken:
        progress.say(f"left out: {line}")
    seen = load_seen(bundle)
    was_trained = np.array([seen.was_trained(sha256) for sha256 in answers.hashes], bool)
    in_test = np.array(
        [
            photo.split == "test" if photo.split else seen.was_tested(sha256)
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
    targets, num_seen = answers.targets[keep], int(was_trained[keep].sum())
    return tuple(
        score(engine.name, chosen, bundle.spec.labels, targets, logits[keep], num_seen)
        for engine, logits in zip(engines, answers.logits, strict=True)
    )


def score(
    variant: str,
    split: str,
    labels: Sequence[str],
    targets: Indices,
    logits: Logits,
    num_seen: int = 0,
) -> Evaluation:
    """Turn answers into scores.

    Args:
        variant: For the record.
        split: For the record.
        labels: In the order of the logits.
        targets: int64 `[N]`.
        logits: float32 `[N, K]`.
        num_seen: For the record.
    """
    confusion = scores.confusion_matrix(logits.argmax(axis=1), targets, len(labels))
    recall, precision = scores.recall_and_precision(confusion)
    counts = confusion.sum(axis=1)
    return Evaluation(
        variant=variant,
        split=split,
        num_images=len(targets),
        num_seen=num_seen,
        top1_ratio=scores.top1_ratio(logits, targets),
        top1_interval_ratio=scores.wilson_interval(int(confusion.trace()), len(targets)),
        macro_f1_ratio=scores.macro_f1_ratio(confusion),
        per_class={
            label: ClassScore(int(counts[i]), float(recall[i]), float(precision[i]))
            for i, label in enumerate(labels)
            if counts[i]
        },
    )


def find_known_photos(bundle: Bundle, data: Path) -> tuple[LabelledPhoto, ...]:
    """List a folder's photos, all of whose labels the bundle knows.

    Raises:
        DatasetError: No photos, or unknown labels, all named.
    """
    photos = find_photos(data)
    unknown = sorted({photo.label for photo in photos} - set(bundle.spec.labels))
    if unknown:
        raise DatasetError(
            f"{data}: the model does not know {', '.join(map(repr, unknown))}; it knows "
            f"{', '.join(bundle.spec.labels)}. Remove or rename these folders."
        )
    return photos


def answer_pixels(model: Callable[[Pixels], Logits], photos: Pixels) -> Logits:
    """Return what a model answers to pixels in memory: float32 `[N, K]`.

    Args:
        model: Takes uint8 `[N, 224, 224, 3]`.
        photos: uint8 `[N, 224, 224, 3]`, RGB, N from 1.
    """
    return np.concatenate([model(batch) for batch in batches_of(photos)])


def batches_of(photos: Pixels) -> Iterator[Pixels]:
    """Yield photos in batches, uint8 `[n, 224, 224, 3]` each, contiguous."""
    for start in range(0, len(photos), _BATCH):
        yield np.ascontiguousarray(photos[start : start + _BATCH])


def answer_photos(
    models: Sequence[Callable[[Pixels], Logits]],
    labels: Sequence[str],
    photos: Sequence[LabelledPhoto],
    progress: Progress,
    *,
    on_broken: Callable[[str], object] | None = None,
) -> Answers:
    """Read photos and let every model answer them.

    Args:
        models: Each takes uint8 `[N, 224, 224, 3]` and returns float32 `[N, K]`.
        labels: In the order of the logits.
        photos: With labels among `labels`.
        progress: Told of each photo.
        on_broken: As for `edgecat.photos.read_photos`.

    Raises:
        DatasetError: Broken photos, or none left.
    """
    number_of = {label: number for number, label in enumerate(labels)}
    read: list[LabelledPhoto] = []
    hashes: list[str] = []
    parts: list[list[Logits]] = [[] for _ in models]
    waiting: list[Pixels] = []

    def flush() -> None:
        if waiting:
            batch = np.stack(waiting)
            for part, model in zip(parts, models, strict=True):
                part.append(model(batch))
            waiting.clear()

    with progress.phase("photos", len(photos)) as step:
        for photo, sha256, pixels in read_photos(
            photos, load_pixels, on_photo=step, on_broken=on_broken
        ):
            read.append(photo)
            hashes.append(sha256)
            waiting.append(pixels)
            if len(waiting) == _BATCH:
                flush()
        flush()
    if not read:
        raise DatasetError("no photo could be read")
    return Answers(
        photos=tuple(read),
        targets=np.array([number_of[photo.label] for photo in read], np.int64),
        hashes=tuple(hashes),
        logits=tuple(np.concatenate(part) for part in parts),
    )
