"""The photos of a run, read again for its export."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgecat.errors import DatasetError
from edgecat.photos.folder import LabelledPhoto, PhotoFolder, load_folder
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.photos.reading import read_photos
from edgecat.photos.split import Split, SplitPhoto
from edgecat.progress import Progress
from edgecat.scores.answers import Answers, Interface, answer_photos
from edgecat.scores.metrics import Logits


class RunPhotos:
    """A run's photos, read again and proven to be the same."""

    def __init__(self, split: Split, root: Path, spec: InputSpec, progress: Progress) -> None:
        """Look whether the photos are still there.

        Args:
            split: Of the run.
            root: The folder of the photos, or a zip file, arranged as it was in the run.
            spec: What the network takes.
            progress: Told of each photo.

        Raises:
            DatasetError: They are not.
        """
        self._split, self._folder = split, open_folder(root)
        self._spec, self._progress = spec, progress
        progress.say(self._folder.understood)

    def pixels(self, title: str, positions: Sequence[int]) -> Pixels:
        """Return photos as pixels.

        Args:
            title: Of the progress.
            positions: In the split.

        Returns:
            uint8 `[N, side, side, 3]`, RGB.
        """
        batch = []
        load = partial(load_pixels, spec=self._spec)
        with self._progress.phase(title, len(positions)) as step:
            found = read_photos(
                self._photos(positions), load, on_photo=step, on_broken=_refuse_broken
            )
            for position, (_, sha256, pixels) in zip(positions, found, strict=True):
                self._check(position, sha256)
                batch.append(pixels)
        return np.stack(batch)

    def hash_of(self, positions: Sequence[int]) -> str:
        """Return one SHA-256 for photos, their order and their labels."""
        photos = [self._split.photos[position] for position in positions]
        return hashlib.sha256(
            "\n".join(f"{photo.sha256} {photo.label}" for photo in photos).encode()
        ).hexdigest()

    def answers(
        self,
        split: str,
        labels: Sequence[str],
        models: Sequence[Callable[[Pixels], Logits]],
    ) -> Answers:
        """Return what models answer to a split's photos."""
        positions = self._split.indices(split)
        answers = answer_photos(
            models,
            Interface(self._spec, labels),
            self._photos(positions),
            self._progress,
            on_broken=_refuse_broken,
        )
        for position, sha256 in zip(positions, answers.hashes, strict=True):
            self._check(position, sha256)
        return answers

    def _photos(self, positions: Sequence[int]) -> list[LabelledPhoto]:
        photos = [self._split.photos[position] for position in positions]
        return [self._folder.photo(photo.path, photo.label) for photo in photos]

    def _check(self, position: int, sha256: str) -> None:
        check_unchanged(self._folder, self._split.photos[position], sha256)


def open_folder(root: Path) -> PhotoFolder:
    """Return the photos that a run was trained on.

    Args:
        root: The folder of the photos, or a zip file.

    Raises:
        DatasetError: They are gone.
    """
    if not root.exists():
        raise DatasetError(
            f"{root}: the run's photos are not there; say where they are with --data DIR"
        )
    return load_folder(root)


def check_unchanged(folder: PhotoFolder, photo: SplitPhoto, sha256: str) -> None:
    """Refuse a photo that is not what it was in the run.

    Args:
        folder: Where it lies.
        photo: As the run's split has it.
        sha256: Of its bytes now, hex.

    Raises:
        DatasetError: It changed.
    """
    if photo.sha256 != sha256:
        raise DatasetError(
            f"{folder.root / photo.path}: changed since the run; fine-tune again, or say where the "
            "run's photos are with --data DIR"
        )


def _refuse_broken(path: Path, problem: str) -> None:
    """Refuse a photo that could be read during the run.

    Raises:
        DatasetError: Always.
    """
    raise DatasetError(
        f"{path}: {problem}. The run's photos are not what they were; say where they are with "
        "--data DIR"
    )
