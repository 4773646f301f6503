"""What lies before whoever reviews: kept photos in order, what was decided, what is next."""

import dataclasses
import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from edgecat.errors import ConfigError, DatasetError, EdgecatError
from edgecat.keep.choice import measure_margin
from edgecat.keep.decisions import Decision, Kind, settle
from edgecat.keep.kept import DECISIONS, PHOTOS, KeptAnswer, KeptPhoto, list_kept, load_answer
from edgecat.photos.labels import UNKNOWN, check_new_label
from edgecat.review.log import DecisionLog

#: Photos that a page is told of: the one to decide on, and those that it fetches ahead.
NUM_AHEAD = 5

# A batch is looked at in some minutes; within it photos are in an order that is quick to decide on.
_BATCH_SIZE = 40

_WHY_ORDER = ("unknown", "unsure", "sample")


class Conflict(EdgecatError):
    """A decision that does not fit what was decided meanwhile, or a photo that is gone."""


@dataclasses.dataclass(frozen=True)
class Item:
    """A photo on the desk.

    Attributes:
        photo: The file.
        answer: What a model said of it; None where that is not known.
    """

    photo: KeptPhoto
    answer: KeptAnswer | None

    @property
    def group(self) -> str:
        """Return what photos like this one are called: those to which a model said the same."""
        if self.answer is None:
            return "no answer"
        if self.answer.answer == UNKNOWN:
            return f"{UNKNOWN}, nearest {self.answer.top[0].label}"
        return self.answer.answer

    @property
    def why(self) -> int:
        """Return the place in `_WHY_ORDER` of why it was kept; not known: behind all."""
        return _WHY_ORDER.index(self.answer.why) if self.answer else len(_WHY_ORDER)

    @property
    def margin(self) -> float:
        """Return how sure the model was, 0-1."""
        return measure_margin(self.answer.top) if self.answer else 1.0

    @property
    def kin(self) -> tuple[int, str, str, int, str]:
        """Return what puts like to like: why, the group, what else it may be, and the time."""
        second = self.answer.top[1].label if self.answer and len(self.answer.top) > 1 else ""
        return self.why, self.group, second, self.photo.time_ns, self.photo.sha256

    def to_card(self) -> dict[str, Any]:
        """Return what a page shows of it, as plain values."""
        shown = dataclasses.asdict(self.answer) if self.answer else {}
        return {"sha256": self.photo.sha256, "group": self.group, **shown}


class Desk:
    """Kept photos and decisions on them. To be used by one thread."""

    def __init__(
        self, folder: Path, labels: Sequence[str], log: DecisionLog, say: Callable[[str], object]
    ) -> None:
        """Look at the folder.

        Args:
            folder: Of kept photos.
            labels: Classes to offer, beside those that answers and decisions name.
            log: Open; takes the decisions.
            say: Told of answers that do not read.

        Raises:
            ConfigError: The folder cannot be read.
        """
        self._folder, self._log, self._say = folder, log, say
        self._items: dict[str, Item] = {}  # in the order of the queue
        self._holds = settle(log.before.decisions)
        self._labels = list(dict.fromkeys(labels))
        self._unreadable: set[Path] = set()
        self.refresh()
        self._offer([decision.label for decision in self._holds.values() if decision.label])

    def refresh(self) -> None:
        """Take up photos that were kept meanwhile, and drop those that are gone.

        Raises:
            ConfigError: The folder cannot be read.
        """
        try:
            photos = list_kept(self._folder)
        except OSError as error:
            raise ConfigError(
                f"{self._folder}: cannot be read any more ({error.strerror}); end edgecat review, "
                "and start it with the folder of the photos"
            ) from error
        found = [self._items.get(p.sha256) or Item(p, self._load_answer(p)) for p in photos]
        self._items = {item.photo.sha256: item for item in arrange(found)}
        answers = [item.answer for item in found if item.answer is not None]
        self._offer(sorted({guess.label for answer in answers for guess in answer.top}))

    def find(self, sha256: str) -> KeptPhoto:
        """Return a photo.

        Raises:
            Conflict: It is not there.
        """
        item = self._items.get(sha256)
        if item is None:
            raise Conflict("this photo is not there any more: it was deleted, or made room")
        return item.photo

    def forget(self, sha256: str) -> None:
        """Drop a photo that is gone."""
        self._items.pop(sha256, None)

    def describe(self, first: str | None = None) -> dict[str, Any]:
        """Return how far the review is, and what is next, as plain values.

        Args:
            first: The photo that is next in any case; None for the order of the queue.
        """
        waiting = [sha256 for sha256 in self._items if sha256 not in self._holds]
        if first is not None:
            waiting.sort(key=lambda sha256: sha256 != first)
        decided = [d for sha256, d in self._holds.items() if sha256 in self._items]
        groups = Counter(self._items[sha256].group for sha256 in waiting)
        cards = [self._items[sha256].to_card() for sha256 in waiting[:NUM_AHEAD]]
        return {
            "folder": str(self._folder),
            "num_photos": len(self._items),
            "num_decided": len(decided),
            "num_of_kind": Counter(decision.kind for decision in decided),
            "labels": self._labels,
            "next": [card | {"num_in_group": groups[card["group"]]} for card in cards],
        }

    def decide(self, sha256: str, kind: Kind, label: str | None) -> dict[str, Any]:
        """Note a decision, and return what is next.

        Args:
            sha256: Of the photo; "" to take back the last decision, whichever that is.
            kind: What was decided.
            label: What the photo shows; None of the other kinds.

        Raises:
            Conflict: The photo is gone, another page has decided on it, or nothing is to be undone.
            ConfigError: The label can be none.
            StorageError: The decision could not be written.
        """
        if kind == "undo":
            return self._undo(sha256)
        self.find(sha256)
        if (before := self._holds.get(sha256)) is not None:
            raise Conflict(f"another page has decided on this photo: {before.label or before.kind}")
        if label is not None:
            label = self._check_label(label)
        self._write(Decision(sha256, kind, _now(), label))
        if label is not None:
            self._offer([label])
        return self.describe()

    def _undo(self, sha256: str) -> dict[str, Any]:
        here = [decided for decided in self._holds if decided in self._items]
        if not (sha256 in here or (not sha256 and here)):
            raise Conflict("there is no decision to take back")
        sha256 = sha256 or here[-1]
        self._write(Decision(sha256, "undo", _now()))
        return self.describe(first=sha256)

    def _write(self, decision: Decision) -> None:
        self._log.append(decision)
        self._holds = settle([*self._holds.values(), decision])

    def _check_label(self, label: str) -> str:
        """Return a label as it is kept: a known one as it is, a new one if it can be one.

        Raises:
            ConfigError: It can be none.
        """
        if label in self._labels:
            return label
        return check_new_label(label, self._labels)

    def _offer(self, labels: Sequence[str]) -> None:
        """Offer labels behind those that are offered already: their keys stay."""
        self._labels = list(dict.fromkeys([*self._labels, *labels]))

    def _load_answer(self, photo: KeptPhoto) -> KeptAnswer | None:
        try:
            return load_answer(photo)
        except DatasetError as error:
            if photo.path not in self._unreadable:
                self._unreadable.add(photo.path)
                self._say(f"{error}; the photo is shown without an answer")
            return None


def arrange(items: Iterable[Item]) -> list[Item]:
    """Return photos in the order of the queue: batch by batch, the most instructive ones first.

    Unknown and unsure ones by turns, of each the least sure first; then the sample. Whoever stops
    early has decided on those that teach most. Within a batch like lies beside like.

    Args:
        items: In any order.
    """
    num_of: Counter[int] = Counter()
    ranked = []
    for item in sorted(items, key=lambda item: (item.margin, item.photo.sha256)):
        is_instructive = item.why < _WHY_ORDER.index("sample")
        ranked.append((not is_instructive, num_of[item.why], item.why, item))
        num_of[item.why] += 1
    queue = [item for *_, item in sorted(ranked, key=lambda row: row[:3])]
    batches = [queue[i : i + _BATCH_SIZE] for i in range(0, len(queue), _BATCH_SIZE)]
    return [item for batch in batches for item in sorted(batch, key=lambda item: item.kin)]


def open_log(folder: Path, say: Callable[[str], object]) -> DecisionLog:
    """Open the decisions on the photos of a folder.

    Raises:
        ConfigError: No photos were kept there, or another process has the decisions.
        DatasetError: A line of the file is no decision.
        StorageError: It cannot be written.
    """
    if not (folder / PHOTOS).is_dir():  # or a file would be made in anybody's folder
        raise ConfigError(
            f"{folder}: holds no kept photos; give the folder of --keep DIR of edgecat watch, "
            "stream or serve"
        )
    return DecisionLog(folder / DECISIONS, say)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
