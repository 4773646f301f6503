"""Feature vectors of photos, for search and clustering."""

import dataclasses
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecat import atomic
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.reading import Remark, read_photos
from edgecat.progress import Progress
from edgecat.runtime.classifier import Classifier
from edgecat.scores.ood import Features
from edgecat.strict import to_json


@dataclasses.dataclass(frozen=True)
class Embedding:
    """Feature vectors, and whose they are.

    Attributes:
        bundle: Its name.
        variant: Which of its variants computed them; features of one are not those of another.
        photos: The files.
        hashes: The hex SHA-256 of each file.
        features: float32 `[N, F]`, in the order of the photos.
    """

    bundle: str
    variant: str
    photos: tuple[str, ...]
    hashes: tuple[str, ...]
    features: Features

    def write(self, out: Path) -> Path:
        """Write the vectors, and a JSON file of the names beside them.

        Killed between the two, it leaves a JSON file that says the SHA-256 of other vectors.

        Args:
            out: The .npy file to make or replace; its folder must exist.

        Returns:
            The path of the JSON file.

        Raises:
            StorageError: The disk is full or closed.
        """
        file = io.BytesIO()
        np.save(file, self.features, allow_pickle=False)
        data = file.getvalue()
        names = out.with_suffix(".names.json")
        atomic.write_file(out, lambda target: target.write(data))
        values = self.describe() | {"features": out.name}
        values |= {"features_sha256": hashlib.sha256(data).hexdigest()}
        atomic.write_text(names, to_json(values, indent=1) + "\n")
        return names

    def describe(self) -> dict[str, Any]:
        """Return whose the vectors are, as plain values."""
        named = zip(self.photos, self.hashes, strict=True)
        return {
            "bundle": self.bundle,
            "variant": self.variant,
            "shape": list(self.features.shape),
            "photos": [{"photo": photo, "sha256": sha256} for photo, sha256 in named],
        }


def embed(
    classifier: Classifier, photos: Sequence[Path], progress: Progress, on_broken: Remark
) -> Embedding:
    """Return the features of photos, each read once.

    Args:
        classifier: Computes them.
        photos: Files, as `edgecat.photos.tree.list_photos` yields them.
        progress: Told of each photo.
        on_broken: Called with what is wrong with a broken one, which is left out.

    Raises:
        EngineError: The model tells no features.
    """
    found = [LabelledPhoto(path, label="") for path in photos]
    names, hashes, rows = [], [], []
    with progress.phase("photos", len(found)) as step:
        reading = read_photos(found, classifier.load_pixels, on_photo=step, on_broken=on_broken)
        for photo, sha256, pixels in reading:
            names.append(str(photo.path))
            hashes.append(sha256)
            rows.append(classifier.engine.run_with_features(pixels[None])[1][0])
    features = np.stack(rows) if rows else np.empty((0, 0), np.float32)
    spec = classifier.bundle.spec
    return Embedding(spec.name, classifier.variant, tuple(names), tuple(hashes), features)
