"""A folder of labelled photos, every photo read once: what all checks look at."""

import dataclasses
from collections import defaultdict
from functools import cached_property
from pathlib import Path

import numpy as np

from edgecat.audit.features import FeatureModel, OodScores
from edgecat.audit.labels import Probabilities, find_doubts, judge_labels
from edgecat.audit.look import Look, measure_look
from edgecat.photos.folder import LabelledPhoto, PhotoFolder
from edgecat.photos.pixels import Pixels, central_crop, scale_photo
from edgecat.photos.reading import read_photos
from edgecat.photos.split import MIN_PHOTOS, Fingerprint, fingerprint_photo, group_photos
from edgecat.progress import Progress
from edgecat.scores.metrics import Indices
from edgecat.scores.ood import Features

# Photos that the model answers at once.
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the photos' features say of their labels.

    Attributes:
        positions: int64 `[n]`, of the photos that were judged, the least likely label first.
        labels: The classes, in the order of the probabilities.
        targets: int64 `[n]`, the labels that they have.
        probabilities: float64 `[n, K]`, of each class.
        in_doubt: bool `[n]`.
    """

    positions: Indices
    labels: tuple[str, ...]
    targets: Indices
    probabilities: Probabilities
    in_doubt: np.ndarray

    def likely(self, row: int) -> str:
        """Return the likeliest class of a photo."""
        return self.labels[int(self.probabilities[row].argmax())]

    def own_probability(self, row: int) -> float:
        """Return how likely the label is that a photo has, 0-1."""
        return float(self.probabilities[row, self.targets[row]])


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was read.

    Attributes:
        folder: The data set.
        model: Whose features they are.
        broken: Photos that cannot be read, and why.
        photos: The others, in the folder's order; so is all that follows.
        hashes: The hex SHA-256 of each.
        fingerprints: Of each, to find near-duplicates.
        looks: What each looks like.
        features: float32 `[N, F]`.
        ood_scores: float64 `[N]`; None where the model knows no classes.
    """

    folder: PhotoFolder
    model: FeatureModel
    broken: tuple[tuple[Path, str], ...]
    photos: tuple[LabelledPhoto, ...]
    hashes: tuple[str, ...]
    fingerprints: tuple[Fingerprint, ...]
    looks: tuple[Look, ...]
    features: Features
    ood_scores: OodScores | None

    def path(self, position: int) -> str:
        """Return a photo's path from the data set's root."""
        return self.folder.path_of(self.photos[position])

    def scaled(self, position: int) -> Pixels:
        """Read a photo again: uint8 `[H, W, 3]`, RGB, as `scale_photo` returns it.

        Raises:
            ImageError: It can no longer be read.
        """
        return scale_photo(self.photos[position].read(), self.model.input)

    @cached_property
    def groups(self) -> list[int]:
        """The first photo of the near-duplicates that each belongs to."""
        return group_photos(self.fingerprints)

    def members(self) -> list[list[int]]:
        """Return the groups of near-duplicates that have more than one photo."""
        found = defaultdict(list)
        for position, group in enumerate(self.groups):
            found[group].append(position)
        return [group for group in found.values() if len(group) > 1]

    @cached_property
    def judgement(self) -> Judgement | None:
        """What the features say of the labels; None where fewer than two classes can be judged."""
        scenes = defaultdict(set)
        for photo, group in zip(self.photos, self.groups, strict=True):
            scenes[photo.label].add(group)
        labels = tuple(sorted(label for label, own in scenes.items() if len(own) >= MIN_PHOTOS))
        if len(labels) < 2:
            return None
        judged = [i for i, photo in enumerate(self.photos) if photo.label in labels]
        targets = np.array([labels.index(self.photos[i].label) for i in judged], np.int64)
        own_groups = [self.groups[i] for i in judged]
        likely = judge_labels(self.features[judged], targets, own_groups)
        order = np.argsort(likely[np.arange(len(judged)), targets], kind="stable")
        doubts = find_doubts(likely, targets)
        return Judgement(
            np.array(judged)[order], labels, targets[order], likely[order], doubts[order]
        )


def survey_photos(folder: PhotoFolder, model: FeatureModel, progress: Progress) -> Survey:
    """Read every photo of a data set once.

    Args:
        folder: The data set.
        model: Whose features are wanted.
        progress: Told of each photo.
    """
    broken: list[tuple[Path, str]] = []
    read: list[tuple[LabelledPhoto, str, Fingerprint, Look]] = []
    features: list[Features] = []
    scores: list[OodScores] = []
    waiting: list[Pixels] = []

    def decode(data: bytes) -> tuple[Pixels, Fingerprint, Look]:
        scaled = scale_photo(data, model.input)
        # A copy: the crop alone would keep all that was cut off.
        crop = np.ascontiguousarray(central_crop(scaled, model.input))
        return crop, fingerprint_photo(scaled), measure_look(data, scaled)

    def flush() -> None:
        if waiting:
            found, ood = model.run(np.stack(waiting))
            features.append(found)
            scores.extend([] if ood is None else [ood])
            waiting.clear()

    with progress.phase("look at photos", len(folder.photos)) as step:
        for photo, sha256, (crop, fingerprint, look) in read_photos(
            folder.photos, decode, on_photo=step, on_broken=lambda *why: broken.append(why)
        ):
            read.append((photo, sha256, fingerprint, look))
            waiting.append(crop)
            if len(waiting) == _BATCH:
                flush()
        flush()
    photos, hashes, fingerprints, looks = zip(*read, strict=True) if read else ((),) * 4
    return Survey(
        folder=folder,
        model=model,
        broken=tuple(broken),
        photos=photos,
        hashes=hashes,
        fingerprints=fingerprints,
        looks=looks,
        features=np.concatenate(features) if features else np.empty((0, 1), np.float32),
        ood_scores=np.concatenate(scores) if scores else None,
    )
