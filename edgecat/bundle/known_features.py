"""Features of photos of the known classes: what `edgecat enroll` needs of them, without the photos.

Training photos to learn from, and validation photos, which the weights were not learned from.
"""

import dataclasses
import io

import numpy as np

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.scores.arrays import read_array
from edgecat.scores.metrics import Indices
from edgecat.scores.ood import Features

KNOWN_FEATURES_FILE = "features.npy"


@dataclasses.dataclass(frozen=True)
class LabelledFeatures:
    """Features of photos and their classes.

    Attributes:
        features: float32 `[N, F]`.
        targets: int64 `[N]`, places in the labels.
    """

    features: Features
    targets: Indices


@dataclasses.dataclass(frozen=True)
class KnownFeatures:
    """What a bundle tells of photos of its classes.

    Attributes:
        train: Of training photos, of every class.
        held_out: Of validation photos; of enrolled classes there are none.
    """

    train: LabelledFeatures
    held_out: LabelledFeatures

    def to_bytes(self) -> bytes:
        """Return a file of numpy's format: a record a photo, features rounded to float16."""
        parts = [_pack(self.train, is_held_out=False), _pack(self.held_out, is_held_out=True)]
        file = io.BytesIO()
        np.save(file, np.concatenate(parts), allow_pickle=False)
        return file.getvalue()


def load_known_features(bundle: Bundle) -> KnownFeatures:
    """Read a bundle's features of known photos.

    Raises:
        BundleError: It has none, or the file is damaged.
    """
    if KNOWN_FEATURES_FILE not in bundle.spec.files:
        raise BundleError(
            f"{bundle.name}: has no {KNOWN_FEATURES_FILE}, which tells how photos of its classes "
            "look to the model; export its run again with this edgecat (a released model has none, "
            "to be small: fine-tune one of your own, edgecat finetune PHOTOS --out RUN)"
        )
    where = str(bundle.path / KNOWN_FEATURES_FILE)
    records = read_array(bundle.read(KNOWN_FEATURES_FILE), where)
    num_features = records.dtype["features"].shape[0] if _is_ours(records) else 0
    if not num_features or records.dtype != _record(num_features):
        raise BundleError(f"{where}: is no list of features; export it again")
    is_held_out = records["is_held_out"]
    has_both = 0 < is_held_out.sum() < len(records)
    is_within = bool((records["target"] < len(bundle.spec.labels)).all())
    if not (has_both and is_within and np.isfinite(records["features"]).all()):
        raise BundleError(f"{where}: has numbers that no export writes; export it again")
    return KnownFeatures(_unpack(records[~is_held_out]), _unpack(records[is_held_out]))


def _record(num_features: int) -> np.dtype[np.void]:
    return np.dtype([("target", "<u2"), ("is_held_out", "?"), ("features", "<f2", (num_features,))])


def _is_ours(records: np.ndarray[tuple[int, ...], np.dtype[np.void]]) -> bool:
    names = records.dtype.names
    return (
        records.ndim == 1
        and names is not None
        and "features" in names
        and (len(records.dtype["features"].shape) == 1)
    )


def _pack(
    part: LabelledFeatures, *, is_held_out: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
    records = np.zeros(len(part.targets), _record(part.features.shape[1]))
    records["target"], records["is_held_out"] = part.targets, is_held_out
    records["features"] = part.features
    return records


def _unpack(records: np.ndarray[tuple[int, ...], np.dtype[np.void]]) -> LabelledFeatures:
    return LabelledFeatures(
        records["features"].astype(np.float32), records["target"].astype(np.int64)
    )
