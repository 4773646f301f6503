"""A folder of kept photos, and what a model answered to each.

    DIR/photos/<SHA-256>.jpeg    a photo as it came; its ending says what it is
    DIR/photos/<SHA-256>.json    the answer to it, written before the photo
    DIR/decisions.jsonl          what people decided: `edgecat.keep.decisions`

All of it may be deleted at any time, photo by photo or as a whole.
"""

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

from edgecat.errors import DatasetError
from edgecat.keep.choice import Reason
from edgecat.runtime.prediction import Guess
from edgecat.strict import build, read_json

PHOTOS = "photos"
DECISIONS = "decisions.jsonl"
ANSWER_ENDING = ".json"

# Photos named otherwise are not ours.
_PHOTO = re.compile(r"([0-9a-f]{64})\.(?!json$)[a-z]+")

# Five guesses, whose labels have 255 bytes at most; a name of 4,096 bytes.
_MAX_ANSWER_BYTES = 64 * 2**10


@dataclasses.dataclass(frozen=True)
class KeptAnswer:
    """What a model answered to a kept photo.

    Attributes:
        why: Why it was kept.
        time: When, ISO 8601.
        bundle: The name of the bundle that answered.
        variant: Which of its variants.
        answer: The likeliest class, or "unknown".
        top: The likeliest classes, likeliest first.
        ood_score: See `edgecat.scores.ood`; None where the bundle has no detector.
        name: Of the file as it came; None where it had none.
    """

    why: Reason
    time: str
    bundle: str
    variant: str
    answer: str
    top: tuple[Guess, ...]
    ood_score: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: No class is the likeliest.
        """
        if not self.top:
            raise ValueError("top is empty")


@dataclasses.dataclass(frozen=True)
class KeptPhoto:
    """A photo in the folder.

    Attributes:
        path: The file.
        size_bytes: Of it.
        time_ns: When it was written, nanoseconds since 1970.
    """

    path: Path
    size_bytes: int
    time_ns: int

    @property
    def sha256(self) -> str:
        """Return the hex SHA-256 that its bytes must have."""
        return self.path.stem

    @property
    def answer_path(self) -> Path:
        """Return the file of the answer to it."""
        return self.path.with_suffix(ANSWER_ENDING)


def list_kept(folder: Path) -> list[KeptPhoto]:
    """Return the photos of a folder, the oldest first; links and other files are passed over.

    Raises:
        OSError: It cannot be read; `FileNotFoundError` where nothing was kept yet.
    """
    with os.scandir(folder / PHOTOS) as entries:
        found = [*filter(None, map(_look_at, entries))]
    return sorted(found, key=lambda photo: (photo.time_ns, photo.sha256))


def load_answer(photo: KeptPhoto) -> KeptAnswer | None:
    """Return the answer to a photo; None where there is no such file.

    Raises:
        DatasetError: It does not read.
    """
    where = str(photo.answer_path)
    try:
        with photo.answer_path.open("rb") as file:
            data = file.read(_MAX_ANSWER_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatasetError(f"{where}: cannot be read ({error.strerror})") from error
    values = read_json(data, where, DatasetError)
    return build(KeptAnswer, values, where, DatasetError, pass_unknown=True)


def list_orphans(folder: Path) -> Iterator[Path]:
    """Yield answers whose photos are not there: what a kill leaves.

    Raises:
        OSError: The folder cannot be read.
    """
    photos = {photo.sha256 for photo in list_kept(folder)}
    for path in (folder / PHOTOS).glob(f"{'[0-9a-f]' * 64}{ANSWER_ENDING}"):
        if path.stem not in photos:
            yield path


def _look_at(entry: os.DirEntry[str]) -> KeptPhoto | None:
    if not _PHOTO.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
        return None
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed this moment
        return None
    return KeptPhoto(Path(entry.path), found.st_size, found.st_mtime_ns)
