"""What `edgecat watch` remembers: results in a file for people, and beside it what is done.

`results.jsonl` has a JSON line a photo. Anybody may read it, rotate it or take it away; beside it
stands `results.jsonl.done.sqlite`, which edgecat alone reads and writes.

**What a photo is.** A name (relative to the watched folder) and a content (its SHA-256). It has
been answered, and is not answered again, if

- the newest photo of its name has its content: it was only touched, or copied here once more; or
- a photo has its content, inode and time stamp: the file was renamed, or linked.

So a file replaced by another content under the same name is a new photo, and so is a copy of a
photo under another name. A file is read again to find that out unless its name, size, time stamp
and time of change are those that are noted; the last one cannot be set by whoever writes it.

**Each answer is written once.** Two files cannot be written in one step, so:

1. One transaction of the record says that the photo is done and keeps its line in the *outbox* and
   in the sinks' *queue*. If it fails, nothing has happened, and the photo is answered later.
2. The line is appended to the results file and flushed to the disk.
3. Only if the file then is the one at its path, and as long as it must be, the line counts as
   written; the next transaction notes that.

Killed before 1, the photo is answered again; after 1, the line is in the outbox, and the next start
looks whether it stands in the results file or in a rotated one: no photo has two lines, or none.
What is left of a torn line is known by being the beginning of that one, and cut off.

**Rotation** may come between any two of these steps: see `edgecat.watch.results`.

**Whose file it is.** A results file is written only if it is empty or its lines are known to be
ours: its end by the outbox; what stands behind that, or in a file without a record, is read line by
line and taken over. Anything else is refused, and stays as it is. Cut off is only the rest of a
line of ours, behind whole ones.
"""

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from edgecat.errors import StorageError
from edgecat.progress import Progress, describe_count
from edgecat.service.database import Database
from edgecat.sinks.queue import Queue
from edgecat.watch.outbox import KeptLine, Outbox
from edgecat.watch.photo import MAX_LINE_BYTES, Photo, Stamp, format_line
from edgecat.watch.record import RECORD, Record
from edgecat.watch.results import RECORD_ENDING, ResultsFile, match_own
from edgecat.watch.takeover import check_first_line, identify, read_on

# Lines that are taken over in one transaction: some 50 ms.
_BATCH_SIZE = 1000


@dataclasses.dataclass(frozen=True)
class JournalPlace:
    """Where a journal is kept, and of what.

    Attributes:
        out: The results file; its folder must exist.
        folder: The watched one.
        rotate_bytes: At this size a results file is moved aside and a new one begun; None: never.
        sinks: The names of those that are told the lines, besides.
    """

    out: Path
    folder: Path
    rotate_bytes: int | None = None
    sinks: tuple[str, ...] = ()


class Journal:
    """A results file and its record, both open.

    Attributes:
        num_answers: How many photos were answered, ever.
        database: The record's file.
        queue: In it, where each line waits until all sinks have taken it.
    """

    def __init__(
        self, place: JournalPlace, progress: Progress, *, on_step: Callable[[], object]
    ) -> None:
        """Open them or begin them; what an older run left undone is not written yet.

        Args:
            place: Where.
            progress: Told of what happened to the results file.
            on_step: Called often while results are taken over, which may take minutes.

        Raises:
            ConfigError: Another process has them open, or they are none.
            StorageError: They cannot be opened for writing.
        """
        self._place = place
        self._progress = progress
        self._on_step = on_step
        self._is_settled = False
        self._unwritten: list[KeptLine] = []
        self._unnoted: list[KeptLine] = []  # written, but not noted as such
        self.num_answers = 0
        with contextlib.ExitStack() as stack:
            self._results = stack.enter_context(contextlib.closing(ResultsFile(place.out)))
            real = self._results.place
            record = real.with_name(f"{real.name}{RECORD_ENDING}")
            if not record.exists():
                check_first_line(self._results)
            self.database = stack.enter_context(contextlib.closing(Database(record, RECORD)))
            self._record = Record(self.database)
            self._outbox = Outbox(self.database)
            self.queue = Queue(self.database, place.sinks)
            with self._storage_errors():
                self._reconcile()
            self._open = stack.pop_all()
        self._own = match_own(os.path.relpath(real, os.path.realpath(place.folder)))

    def is_own(self, name: str) -> bool:
        """Return whether a name in the watched folder is the results', rotated or not."""
        return self._own.fullmatch(name) is not None

    def is_known(self, name: str, stamp: Stamp) -> bool:
        """Return whether a photo is done, as far as that can be told without reading it."""
        return self._record.is_known(name, stamp)

    def has_answered(self, photo: Photo) -> bool:
        """Return whether a photo whose content was read is done; see above."""
        return self._record.has_answered(photo)

    def remember(self, photo: Photo) -> None:
        """Note the name and stamp that a photo has now, which is done.

        Raises:
            StorageError: It was not noted.
        """
        if not self._record.is_known(photo.name, photo.stamp):
            with self.database.transaction():
                self._record.remember([photo])

    def add(self, photo: Photo, result: dict[str, Any]) -> None:
        """Note a photo as done, and keep its line until `deliver`.

        Args:
            photo: As it was read.
            result: What else the line shall say.

        Raises:
            StorageError: Nothing was noted.
        """
        with self.database.transaction():
            self._outbox.mark_written(self._unnoted)
            self._record.remember([photo])
            line = self._outbox.put(format_line(photo, result), is_written=False)
            self.queue.put(line.data)
        self._unnoted = []
        self._unwritten.append(line)
        self.num_answers = line.number

    def deliver(self) -> None:
        """Write what is not written yet; it stands on the disk when this returns.

        To be called often: it is found out here whether the file was rotated.

        Raises:
            StorageError: It could not be written; nothing of it is in the file, and it is kept.
            ConfigError: Another file stands in its place, or another process has begun a new one.
        """
        with self._storage_errors():
            self._settle()
            while self._unwritten:
                self._results.append(self._unwritten[0].data)
                if self._results.is_undisturbed():
                    self._unnoted.append(self._unwritten.pop(0))
                else:
                    self._settle()  # which finds out where the line went
            limit_bytes = self._place.rotate_bytes
            if limit_bytes is not None and self._results.end_bytes >= limit_bytes:
                aside = self._results.move_aside()
                self._begin_anew()
                self._progress.say(f"{self._place.out}: begun anew; what it had is in {aside.name}")

    def close(self) -> None:
        """Let another process have them."""
        with contextlib.suppress(StorageError):  # then the next start finds out
            self._note_written()
        self._open.close()

    def _settle(self) -> None:
        """Find out what happened to the results file, if anything did."""
        if self._is_settled and self._results.is_undisturbed():
            return
        if not self._results.is_in_its_place():
            what = "was moved away or removed; a new one is begun"
            self._begin_anew()
        else:
            was_cut = self._results.measure() < self._results.end_bytes
            what = "was truncated" if was_cut else ""
            self._reconcile()
        if what:
            again = f", and {describe_count(len(self._unwritten), 'line')} written once more"
            self._progress.say(
                f"{self._place.out}: {what}. What is done stays known"
                f"{again if self._unwritten else ''}."
            )

    def _note_written(self) -> None:
        if self._unnoted:
            with self.database.transaction():
                self._outbox.mark_written(self._unnoted)
            self._unnoted = []

    def _begin_anew(self) -> None:
        """Go over to the file that stands at the path now, or to a new one."""
        self._is_settled = False
        self._reconcile(self._results.reopen())

    def _reconcile(self, elsewhere: AbstractSet[bytes] = frozenset()) -> None:
        """Find out which lines have to be written, from what is kept and what is found.

        Args:
            elsewhere: Lines that are known to stand in the file that was open before.
        """
        self._is_settled = False
        self._note_written()
        kept = self._outbox.load()
        span_bytes = sum(len(line.data) for line in kept) + MAX_LINE_BYTES
        here = self._results.load_last_lines(span_bytes)
        known_bytes = max((here[line.data] for line in kept if line.data in here), default=0)
        if self._take_over(known_bytes, [line.data for line in kept if not line.is_written]):
            self._reconcile(elsewhere)
            return
        missing = {line.data for line in kept} - here.keys() - {b""}
        rotated = self._find_rotated(missing, missing & elsewhere, span_bytes)
        lost = _find_lost(kept, missing, rotated)
        self._keep(kept, lost, gone=missing - {line.data for line in lost})
        self._unnoted = [line for line in kept if line.data in here and not line.is_written]
        self._unwritten = lost
        self._is_settled = True

    def _take_over(self, start_bytes: int, unwritten: Sequence[bytes]) -> int:
        """Learn what is done from the lines behind a place; return how many there are."""
        lines = read_on(self._results, start_bytes, unwritten)
        num_taken, last = 0, b""
        while batch := list(itertools.islice(lines, _BATCH_SIZE)):
            with self.database.transaction():
                self._record.remember(identify(photo, self._place.folder) for photo, _ in batch)
            num_taken += len(batch)
            last = batch[-1][1]
            self._on_step()
        if num_taken:
            with self.database.transaction():
                self._outbox.put(last, is_written=True, step=num_taken)
            self._progress.say(f"{self._place.out}: {num_taken} answers taken over into the record")
        return num_taken

    def _find_rotated(self, wanted: set[bytes], found: set[bytes], span_bytes: int) -> set[bytes]:
        """Return which lines are in the files that were rotated out of the results file's place."""
        tails = self._results.load_rotated_tails(span_bytes)
        while found < wanted and (tail := next(tails, None)) is not None:
            found = found | wanted.intersection(tail.splitlines(keepends=True))
        return found

    def _keep(self, kept: list[KeptLine], lost: list[KeptLine], gone: set[bytes]) -> None:
        """Drop the lines that went with a rotated file; of the newest one its number stays."""
        if kept:
            self.num_answers = kept[-1].number
        if gone:
            lost_data = {line.data for line in lost}
            self._outbox.replace(
                KeptLine(
                    line.number,
                    b"" if line.data in gone else line.data,
                    is_written=line.data not in lost_data,
                )
                for line in kept
                if line.data not in gone or line is kept[-1]
            )

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self._place.out}: cannot be written ({error.strerror}); nothing is lost: it is "
                "written once that is mended. Is the disk full (df -h)?"
            ) from error


def _find_lost(kept: list[KeptLine], missing: set[bytes], rotated: set[bytes]) -> list[KeptLine]:
    """Return the lines to write once more: see "Rotation" above."""
    first = next((i for i, line in enumerate(kept) if line.data in rotated), len(kept))
    return [
        line
        for i, line in enumerate(kept)
        if line.data in missing - rotated - {b""} and (i > first or not line.is_written)
    ]
