"""Which photos trained, validated, tested and calibrated a model: their hashes travel with it.

So a score on photos that a model was trained on cannot pass for a test score, on any machine.
"""

import dataclasses
import functools
from collections.abc import Sequence

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.photos.split import Split
from edgecat.strict import build, read_json, to_json

PHOTO_RECORD_FILE = "photos.json"

# 64 bits name a photo among millions; all 256 would make this the bundle's third largest file.
_NUM_DIGITS = 16


@dataclasses.dataclass(frozen=True)
class PhotoRecord:
    """The first 16 hex digits of photos' SHA-256, by what they were used for.

    Attributes:
        train: The weights were learned from these.
        val: The best epoch was chosen by these.
        test: Looked at only to report.
        calibration: Of the training photos, those that set INT8 ranges.
    """

    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    calibration: tuple[str, ...] = ()

    def was_trained(self, sha256: str) -> bool:
        """Return whether a photo had a say in the model."""
        return sha256[:_NUM_DIGITS] in self._trained

    def was_tested(self, sha256: str) -> bool:
        """Return whether a photo is one of the test photos."""
        return sha256[:_NUM_DIGITS] in self._tested

    @functools.cached_property
    def _trained(self) -> frozenset[str]:
        return frozenset(self.train) | frozenset(self.val)

    @functools.cached_property
    def _tested(self) -> frozenset[str]:
        return frozenset(self.test)

    def to_json(self) -> str:
        """Return the lists as text."""
        return to_json(dataclasses.asdict(self), indent=0) + "\n"


def shorten_hashes(hashes: Sequence[str]) -> tuple[str, ...]:
    """Return the digits of hex SHA-256s that are recorded."""
    return tuple(sha256[:_NUM_DIGITS] for sha256 in hashes)


def record_photos(split: Split, calibration: Sequence[int]) -> PhotoRecord:
    """Return the lists of a split.

    Args:
        split: Of a run.
        calibration: Positions of the photos that set INT8 ranges.
    """

    def digits(positions: Sequence[int]) -> tuple[str, ...]:
        return shorten_hashes([split.photos[i].sha256 for i in positions])

    return PhotoRecord(
        train=digits(split.indices("train")),
        val=digits(split.indices("val")),
        test=digits(split.indices("test")),
        calibration=digits(calibration),
    )


def load_photo_record(bundle: Bundle) -> PhotoRecord:
    """Read a bundle's lists; empty ones where it has none.

    Raises:
        BundleError: The file does not read.
    """
    if PHOTO_RECORD_FILE not in bundle.spec.files:
        return PhotoRecord()
    where = str(bundle.path / PHOTO_RECORD_FILE)
    values = read_json(bundle.read(PHOTO_RECORD_FILE), where, BundleError)
    return build(PhotoRecord, values, where, BundleError)
