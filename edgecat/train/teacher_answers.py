"""What a teacher answered to the views of a run's epochs: a file an epoch, named by its content.

TEACHER_RUN/answers/KEY/7.npz    logits of the photos of epoch 7, in the order in which it sees them

KEY stands for all that the answers depend on, so that whoever asks the same finds them. zip's
checksum tells a damaged file, which counts as missing.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from edgecat import atomic
from edgecat.errors import TrainError
from edgecat.scores.metrics import Logits
from edgecat.train.ranks import ALONE, Ranks

_READ_ERRORS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass(frozen=True)
class TeacherAnswers:
    """A teacher's answers to the views that a student sees.

    Attributes:
        folder: Where they lie.
        num_views: How many epochs are answered; later ones see the same views again.
        shape: Photos of an epoch, classes.
    """

    folder: Path
    num_views: int
    shape: tuple[int, int]

    def seen_again(self, epoch: int) -> int:
        """Return the answered epoch whose views an epoch sees, 1 to `num_views`."""
        return (epoch - 1) % self.num_views + 1

    def load(self, epoch: int) -> Logits | None:
        """Return the logits of an epoch, float32 `[N, K]`; None if they are missing or damaged."""
        try:
            with np.load(self._file(epoch), allow_pickle=False) as arrays:
                logits = arrays["logits"]
        except _READ_ERRORS:
            return None
        is_sound = logits.shape == self.shape and logits.dtype == np.float32
        return logits if is_sound and np.isfinite(logits).all() else None

    def demand(self, epoch: int, ranks: Ranks = ALONE) -> Logits:
        """Return the logits of an epoch, float32 `[N, K]`, which the first rank reads.

        Raises:
            TrainError: They are missing or damaged.
        """
        data = ranks.share(lambda: self._demand(epoch).tobytes())
        return np.frombuffer(data, np.float32).reshape(self.shape).copy()

    def _demand(self, epoch: int) -> Logits:
        logits = self.load(epoch)
        if logits is None:
            raise TrainError(
                f"{self._file(epoch)}: the teacher's answers are damaged or gone; the same command "
                "with --resume asks it again"
            )
        return logits

    def has(self, epoch: int) -> bool:
        """Return whether there is a file for an epoch, sound or not."""
        return self._file(epoch).exists()

    def save(self, epoch: int, logits: Logits) -> None:
        """Keep the logits of an epoch.

        Raises:
            StorageError: The disk is full.
        """
        buffer = io.BytesIO()
        np.savez(buffer, logits=logits)
        with atomic.storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write_file(self._file(epoch), lambda file: file.write(buffer.getbuffer()))

    def _file(self, epoch: int) -> Path:
        return self.folder / f"{epoch}.npz"


def make_key(asked: dict[str, Any]) -> str:
    """Return a short name for all that answers depend on.

    Args:
        asked: Numbers and text.
    """
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
