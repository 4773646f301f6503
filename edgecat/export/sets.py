"""Which of a run's photos serve for what: proof, validation, calibration, distillation.

The test photos are in none of these sets: nothing is chosen by them.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecat.export.parity import NUM_PHOTOS, fill_up
from edgecat.export.photos import RunPhotos
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Split
from edgecat.progress import Progress
from edgecat.quantize.calibration import choose_calibration
from edgecat.quantize.step import ValidationSet
from edgecat.scores.metrics import Logits
from edgecat.train.finished import Checkpoint, load_checkpoint

# Validation photos that INT8 recipes are compared on: 77 MB of pixels, an interval of about +-1 pp.
_MAX_VALIDATION = 512

# Training photos to distil with: 308 MB of pixels; all steps together see 10,560 photos.
_MAX_DISTILLATION = 2048


@dataclasses.dataclass(frozen=True)
class PhotoSets:
    """Positions of photos in the run's split.

    Attributes:
        proof: To prove equality with: validation photos first, then training photos.
        validation: To compare recipes by, evenly over the split.
        calibration: Training photos that set ranges.
        distillation: Training photos to distil with.
    """

    proof: tuple[int, ...]
    validation: tuple[int, ...]
    calibration: tuple[int, ...]
    distillation: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Source:
    """A run, opened for its export.

    Attributes:
        checkpoint: What fine-tuning left.
        photos: The run's, to be read again.
        sets: Which of them serve for what.
    """

    checkpoint: Checkpoint
    photos: RunPhotos
    sets: PhotoSets


@dataclasses.dataclass(frozen=True)
class ProofSet:
    """Photos to prove equality with, and what the checkpoint answers to them.

    Attributes:
        photos: uint8 `[N, H, W, 3]`, RGB, N from `NUM_PHOTOS` where that many views exist.
        expected: float32 `[N, K]`.
    """

    photos: Pixels
    expected: Logits


def choose_sets(split: Split, seed: int) -> PhotoSets:
    """Choose photos for each purpose.

    Args:
        split: Of the run.
        seed: Of the run: the same one, the same photos.

    Raises:
        QuantizeError: A class has no training photo.
    """
    train, val = split.indices("train"), split.indices("val")
    return PhotoSets(
        proof=(*val, *train)[:NUM_PHOTOS],
        validation=_thin(val, _MAX_VALIDATION),
        calibration=tuple(choose_calibration(split, seed)),
        distillation=_thin(train, _MAX_DISTILLATION),
    )


def open_source(run: Path, data: Path | None, progress: Progress) -> Source:
    """Open a run for its export; no photo is read yet.

    Args:
        run: What `edgecat.train.finetune.finetune` wrote.
        data: Where the run's photos are now; None for where they were.
        progress: Told of each photo that is read.

    Raises:
        TrainError: No finished run.
        DatasetError: The photos are gone.
        QuantizeError: A class has no training photo.
    """
    checkpoint = load_checkpoint(run)
    record, split = checkpoint.record, checkpoint.split
    photos = RunPhotos(split, data or Path(record.data), record.input, progress)
    return Source(checkpoint, photos, choose_sets(split, record.seed))


def load_proof_set(source: Source) -> ProofSet:
    """Read the photos to prove equality with and let the checkpoint answer them."""
    pixels = fill_up(source.photos.pixels("photos to prove with", source.sets.proof))
    return ProofSet(pixels, source.checkpoint.answer(pixels))


def load_validation_set(source: Source) -> ValidationSet:
    """Read the validation photos and let the checkpoint answer them."""
    positions = source.sets.validation
    pixels = source.photos.pixels("validation photos", positions)
    labels, split = source.checkpoint.record.labels, source.checkpoint.split
    targets = [labels.index(split.photos[position].label) for position in positions]
    expected = source.checkpoint.answer(pixels)
    spec = source.checkpoint.record.input
    return ValidationSet(pixels, np.array(targets, np.int64), expected, spec)


def load_calibration_set(source: Source) -> Pixels:
    """Read the photos that set ranges: uint8 `[N, H, W, 3]`, RGB."""
    return source.photos.pixels("photos to calibrate with", source.sets.calibration)


def load_distillation_set(source: Source) -> Pixels:
    """Read the photos to distil with: uint8 `[N, H, W, 3]`, RGB."""
    return source.photos.pixels("photos to distil with", source.sets.distillation)


def _thin(positions: Sequence[int], most: int) -> tuple[int, ...]:
    """Return at most so many positions, evenly spread."""
    return tuple(positions[:: -(-len(positions) // most) or 1])
