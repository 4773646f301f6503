"""Keeps photos that are worth a look, within a quota on the disk; never stops who answers them."""

import contextlib
import dataclasses
import datetime
import fcntl
import os
from collections.abc import Iterator

from edgecat import atomic
from edgecat.errors import ConfigError, EdgecatError, StorageError
from edgecat.keep.choice import find_reason
from edgecat.keep.decisions import read_decisions, settle
from edgecat.keep.kept import (
    ANSWER_ENDING,
    DECISIONS,
    PHOTOS,
    KeptAnswer,
    KeptPhoto,
    list_kept,
    list_orphans,
)
from edgecat.keep.place import KeepPlace
from edgecat.photos.formats import tell_format
from edgecat.progress import Progress
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.prediction import Prediction
from edgecat.service.troubles import Troubles
from edgecat.strict import to_json

# Kept photos show people's homes: nobody else on the machine may look at them.
_OWN = 0o700


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a photo is from, and who answered it.

    Attributes:
        bundle: Its name.
        variant: Which of its variants.
        name: Of the file as it came; None where it had none.
    """

    bundle: str
    variant: str
    name: str | None = None

    @classmethod
    def of(cls, classifier: Classifier, name: str | None = None) -> "Source":
        """Return the source of a photo that a classifier answered."""
        return cls(classifier.bundle.spec.name, classifier.variant, name)


class Keeper:
    """A folder that photos are kept in. One process may have it.

    What goes wrong with the disk is told as a trouble, and tried again with the next photo.
    """

    def __init__(self, place: KeepPlace, progress: Progress) -> None:
        """Open the folder.

        Args:
            place: Where, and how much.
            progress: Told of troubles and their ends.

        Raises:
            ConfigError: Another process keeps photos there.
        """
        self._place = place
        self._photos = place.folder / PHOTOS
        self._troubles = Troubles(progress)
        self._lock: int | None = None
        self._num_bytes = 0
        fault = None
        try:
            self._open()
        except OSError as error:
            fault = error
        progress.say(place.describe())
        if fault is not None:  # behind what should be: the last line is what holds
            self._bear(fault)

    def look_at(self, photo: bytes, sha256: str, prediction: Prediction, source: Source) -> bool:
        """Keep an answered photo if it is worth a look; return whether it is kept now.

        Args:
            photo: Its bytes, of which a picture was decoded.
            sha256: Of these, hex.
            prediction: The answer.
            source: Where it is from.
        """
        why = find_reason(prediction, sha256)
        if why is None:
            return False
        answer = KeptAnswer(
            why=why,
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            bundle=source.bundle,
            variant=source.variant,
            answer=prediction.answer,
            top=prediction.top,
            ood_score=prediction.ood_score,
            name=source.name and source.name.encode("utf-8", "backslashreplace").decode(),
        )
        try:
            self._keep(photo, sha256, to_json(dataclasses.asdict(answer)).encode() + b"\n")
        except (EdgecatError, OSError) as error:
            self._bear(error)
            return False
        self._troubles.end(str(self._place.folder))
        return True

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open(self) -> None:
        """Lock the folder and clear away what a kill left in it, if that is not done yet.

        Raises:
            ConfigError: Another process keeps photos there.
            OSError: It cannot be made or read.
        """
        if self._is_open():
            return
        self.close()
        self._place.folder.mkdir(_OWN, parents=True, exist_ok=True)
        self._photos.mkdir(_OWN, exist_ok=True)
        lock = os.open(self._photos, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            atomic.remove_leftovers(self._photos)
            for path in list_orphans(self._place.folder):
                path.unlink(missing_ok=True)
            self._num_bytes = sum(map(_size_of, list_kept(self._place.folder)))
        except BlockingIOError:
            os.close(lock)
            raise ConfigError(
                f"--keep {self._place.folder}: another edgecat keeps photos there; stop that one, "
                "or give this one a folder of its own"
            ) from None
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def _is_open(self) -> bool:
        """Return whether the folder is locked, and is still there: a person may have deleted it."""
        with contextlib.suppress(FileNotFoundError):
            return self._lock is not None and os.path.samestat(
                os.fstat(self._lock), self._photos.stat()
            )
        return False

    def _keep(self, photo: bytes, sha256: str, answer: bytes) -> None:
        """Write a photo and the answer to it, if it is not there yet.

        Raises:
            EdgecatError: There is no room for it.
            OSError: The disk is full or closed.
        """
        self._open()
        ending = tell_format(photo, "the photo").name.lower()
        path = self._photos / f"{sha256}.{ending}"
        if path.exists():
            return
        num_bytes = len(photo) + len(answer)
        if self._num_bytes + num_bytes > self._place.max_bytes:
            self._make_room(num_bytes)
        # In this order: a photo counts as kept, an answer without one is cleared away.
        answer_path = path.with_suffix(ANSWER_ENDING)
        atomic.write_file(answer_path, lambda file: file.write(answer))
        try:
            atomic.write_file(path, lambda file: file.write(photo))
        except (EdgecatError, OSError):  # or answers alone would fill the rest of a full disk
            with contextlib.suppress(OSError):
                answer_path.unlink(missing_ok=True)
            raise
        self._num_bytes += num_bytes

    def _make_room(self, num_bytes: int) -> None:
        """Remove the oldest photos that no person has given a label, as many as it takes.

        Raises:
            StorageError: All of them would not be enough; none is removed.
            DatasetError: The decisions do not read, so nothing is removed.
            OSError: The folder cannot be read or written.
        """
        photos = list_kept(self._place.folder)  # anew: a person may have deleted some
        decisions = settle(read_decisions(self._place.folder / DECISIONS).decisions)
        self._num_bytes = sum(map(_size_of, photos))
        left_bytes, leaving = self._num_bytes + num_bytes, []
        for photo in photos:
            decision = decisions.get(photo.sha256)
            if left_bytes <= self._place.max_bytes:
                break
            if decision is None or decision.kind != "label":
                leaving.append(photo)
                left_bytes -= _size_of(photo)
        if left_bytes > self._place.max_bytes:
            raise StorageError(
                f"{self._place.folder}: no room for a photo of {num_bytes / 2**20:.1f} MB within "
                f"--keep-mb {self._place.max_bytes // 2**20}; photos with a label are not removed "
                "for it: train with them and delete them, or give more"
            )
        for photo in leaving:
            self._num_bytes -= _size_of(photo)
            photo.path.unlink(missing_ok=True)
            photo.answer_path.unlink(missing_ok=True)

    def _bear(self, error: Exception) -> None:
        folder, text = str(self._place.folder), str(error)
        if isinstance(error, OSError):
            text = (
                f"cannot be written ({error.strerror}); give --keep a folder that can be, with "
                "room (df -h); each photo tries it again"
            )
        text = text if text.startswith(folder) else f"{folder}: {text}"
        self._troubles.begin(folder, f"photos are answered, but not kept: {text}")


@contextlib.contextmanager
def open_keeper(place: KeepPlace | None, progress: Progress) -> Iterator[Keeper | None]:
    """Open a folder to keep photos in, for as long as the block lasts; None where there is none.

    Raises:
        ConfigError: As `Keeper`.
    """
    if place is None:
        yield None
        return
    with contextlib.closing(Keeper(place, progress)) as keeper:
        yield keeper


def _size_of(photo: KeptPhoto) -> int:
    """Return what a photo takes with its answer."""
    with contextlib.suppress(OSError):
        return photo.size_bytes + photo.answer_path.stat().st_size
    return photo.size_bytes
