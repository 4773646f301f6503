"""What models answer to photos: each photo is read once and answered by all of them."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edgecat.errors import DatasetError
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.photos.reading import Remark, read_photos
from edgecat.progress import Progress
from edgecat.scores.metrics import Indices, Logits

# Photos a call: large enough to keep the cores busy, 5 MB of pixels.
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Interface:
    """What goes into models, and what comes out.

    Attributes:
        input: What photos are made into.
        labels: The classes, in the order of the logits.
    """

    input: InputSpec
    labels: Sequence[str]


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


def answer_pixels(model: Callable[[Pixels], Logits], photos: Pixels) -> Logits:
    """Return what a model answers to pixels in memory: float32 `[N, K]`.

    Args:
        model: Takes uint8 `[N, H, W, 3]`.
        photos: uint8 `[N, H, W, 3]`, RGB, N from 1.
    """
    return np.concatenate([model(batch) for batch in batches_of(photos)])


def batches_of(photos: Pixels) -> Iterator[Pixels]:
    """Yield photos in batches, uint8 `[n, H, W, 3]` each, contiguous."""
    for start in range(0, len(photos), _BATCH):
        yield np.ascontiguousarray(photos[start : start + _BATCH])


def answer_photos(
    models: Sequence[Callable[[Pixels], Logits]],
    interface: Interface,
    photos: Sequence[LabelledPhoto],
    progress: Progress,
    *,
    on_broken: Remark | None = None,
    on_odd: Remark | None = None,
) -> Answers:
    """Read photos and let every model answer them.

    Args:
        models: Each takes uint8 `[N, H, W, 3]` and returns float32 `[N, K]`.
        interface: Of all of them.
        photos: With labels among the interface's.
        progress: Told of each photo.
        on_broken: As for `edgecat.photos.reading.read_photos`.
        on_odd: The same.

    Raises:
        DatasetError: Broken photos, or none left.
    """
    number_of = {label: number for number, label in enumerate(interface.labels)}
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

    load = functools.partial(load_pixels, spec=interface.input)
    with progress.phase("photos", len(photos)) as step:
        for photo, sha256, pixels in read_photos(
            photos, load, on_photo=step, on_broken=on_broken, on_odd=on_odd
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
