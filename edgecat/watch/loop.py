"""The loop of `edgecat watch`: what arrived whole is read, answered and written down."""

import contextlib
import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgecat.errors import ConfigError, ImageError, NotFiniteError, StorageError
from edgecat.keep.keeper import Keeper, Source, open_keeper
from edgecat.keep.place import KeepPlace
from edgecat.photos.decode import describe_fault
from edgecat.progress import Progress, describe_count
from edgecat.service.live import LiveClassifier
from edgecat.service.process import Service
from edgecat.service.troubles import Troubles
from edgecat.sinks.courier import Couriers
from edgecat.sinks.sink import Sink
from edgecat.watch.arrivals import Arrival, Arrivals
from edgecat.watch.content import read_content
from edgecat.watch.inotify import Inotify
from edgecat.watch.journal import Journal, JournalPlace
from edgecat.watch.photo import Photo
from edgecat.watch.sweep import Sweep

# How often a line is tried again that could not be written.
_RETRY_S = 1.0

# How long the end waits for sinks: what is left then waits for the next start.
_FINISH_S, _FINISH_ONCE_S = 1.0, 10.0


@dataclasses.dataclass(frozen=True)
class WatchJob:
    """What to watch, and how.

    Attributes:
        folder: Where photos arrive, with its sub-folders.
        out: The results file, see `edgecat.watch.journal`.
        settle_s: How long a file must not change to count as whole, where inotify does not tell.
        patience_s: How long a file that is no photo must not change to count as broken.
        once: End when the photos that are there at the start are done.
        inotify: Let the system tell of new files; without it they are found by scanning.
        rotate_bytes: A results file of this size is moved aside and a new one begun; None: never.
        keep: Where photos that are worth a look are kept; None to keep none.
    """

    folder: Path
    out: Path
    settle_s: float = 2.0
    patience_s: float = 60.0
    once: bool = False
    inotify: bool = True
    rotate_bytes: int | None = None
    keep: KeepPlace | None = None


@dataclasses.dataclass
class Outcome:
    """What a watch did.

    Attributes:
        num_answered: Photos answered.
        num_broken: Files that are no photos, each with a line that says so.
        num_unreadable: Files that may not be read and have no line, and folders; counted with
            `once` only.
    """

    num_answered: int = 0
    num_broken: int = 0
    num_unreadable: int = 0


def watch(
    classifier: LiveClassifier,
    job: WatchJob,
    service: Service,
    progress: Progress,
    *,
    on_line: Callable[[str, dict[str, Any]], object] = lambda photo, result: None,
    sinks: Sequence[Sink] = (),
) -> Outcome:
    """Answer the photos of a folder as they arrive, until a signal or `job.once` ends it.

    Args:
        classifier: Open.
        job: What to watch.
        service: Entered; is attended once a second at least.
        progress: Told of troubles and their ends.
        on_line: Called with a photo's name and what its line says, once it is on the disk.
        sinks: Who else is told the answers; nobody waits for them.

    Raises:
        ConfigError: No such folder, or a results file that is none or is in use.
        StorageError: The results file cannot be opened or, with `job.once`, written.
    """
    if not job.folder.is_dir():
        what = "a file" if job.folder.is_file() else "no such folder"
        raise ConfigError(f"{job.folder}: {what}; give the folder that photos arrive in")
    _check_keep(job)
    troubles = Troubles(progress)
    names = tuple(sink.name for sink in sinks)
    place = JournalPlace(job.out, job.folder, job.rotate_bytes, names)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(
            contextlib.closing(Journal(place, progress, on_step=service.ask_for_time))
        )
        arrivals = Arrivals(
            job.folder,
            journal,
            troubles,
            settle_s=job.settle_s,
            patience_s=job.patience_s,
            inotify=_open_inotify(stack, progress) if job.inotify and not job.once else None,
        )
        progress.say(
            f"watching {job.folder} with {classifier.current.variant}; "
            f"{describe_count(journal.num_answers, 'photo')} answered before, answers go to "
            f"{job.out}"
        )
        keeper = stack.enter_context(open_keeper(job.keep, progress))
        service.tell_ready()
        patience_s = _FINISH_ONCE_S if job.once else _FINISH_S
        couriers = stack.enter_context(
            Couriers(journal.queue, sinks, progress, patience_s=patience_s)
        )
        watcher = _Watcher(
            classifier, job, service, arrivals, journal, troubles, couriers, keeper, on_line
        )
        watcher.run()
        return watcher.outcome


@dataclasses.dataclass
class _Watcher:
    classifier: LiveClassifier
    job: WatchJob
    service: Service
    arrivals: Arrivals
    journal: Journal
    troubles: Troubles
    couriers: Couriers
    keeper: Keeper | None
    on_line: Callable[[str, dict[str, Any]], object]
    outcome: Outcome = dataclasses.field(default_factory=Outcome)

    def run(self) -> None:
        sweep = Sweep(self.job.folder, self.journal.database)
        wanted: frozenset[str] | None = None  # what is there at the start, once that is known
        while not self.service.is_stopping() and not (self.job.once and wanted == frozenset()):
            self.arrivals.wait()
            self.service.attend(self.classifier)
            self._persist(self.journal.deliver)
            for arrival in self.arrivals.take_whole():
                if self.service.is_stopping():
                    return
                self.service.attend(self.classifier)
                self._look_at(arrival)
            if self.arrivals.has_scanned:
                waiting = self.arrivals.waiting
                wanted = waiting if wanted is None else wanted & waiting
            self._persist(sweep.step)
        while self.job.once and not self.service.is_stopping() and sweep.step():
            pass
        if self.job.once:
            self.outcome.num_unreadable += len(self.arrivals.closed)

    def _look_at(self, arrival: Arrival) -> None:
        try:
            path = self.job.folder / arrival.photo
            content = read_content(
                path, arrival.stamp, on_step=lambda: self.service.attend(self.classifier)
            )
        except FileNotFoundError:
            return  # it will not be found again either
        except OSError as error:
            self._bear_unreadable(arrival, error)
            return
        self.troubles.end(arrival.photo)
        if content is None:
            return  # it changed meanwhile, and waits on
        photo = Photo(arrival.photo, arrival.stamp, content.sha256)
        if self.journal.has_answered(photo):
            if self._persist(lambda: self.journal.remember(photo)):
                self.arrivals.done(arrival.photo)
            return
        classifier = self.classifier.current
        result: dict[str, Any] = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "bundle": classifier.bundle.spec.name,
            "variant": classifier.variant,
        }
        try:
            prediction = classifier.predict(content.photo())
            self.outcome.num_answered += 1
        except (ImageError, NotFiniteError) as error:
            if not arrival.is_last_chance:
                self.arrivals.wait_longer(arrival)
                if self.job.once:  # a person may look on, and nothing else happens for so long
                    self.troubles.begin(
                        "--patience",
                        f"{arrival.photo}: no photo yet; such files have {self.job.patience_s:g} s "
                        "to become one (--patience)",
                    )
                return
            result |= {"error": describe_fault(error)}
            self.outcome.num_broken += 1
        else:
            result |= prediction.to_dict()
            if self.keeper is not None:  # first: after a kill it is answered and kept again, once
                source = Source.of(classifier, arrival.photo)
                self.keeper.look_at(content.data, content.sha256.hex(), prediction, source)
        if self._persist(lambda: self.journal.add(photo, result)):
            self.arrivals.done(arrival.photo)
            self.couriers.wake()
            if self._persist(self.journal.deliver):
                self.on_line(arrival.photo, result)

    def _persist(self, write: Callable[[], object]) -> bool:
        """Write something, however long the disk is full; return False if the end came first.

        Raises:
            StorageError: It cannot be written, and `once` asks not to wait.
        """
        while True:
            try:
                write()
            except StorageError as error:
                if self.job.once:
                    raise
                self.troubles.begin(str(self.job.out), str(error))
            else:
                self.troubles.end(str(self.job.out))
                return True
            time.sleep(_RETRY_S)
            if self.service.is_stopping():
                return False
            self.service.attend(self.classifier)

    def _bear_unreadable(self, arrival: Arrival, error: OSError) -> None:
        self.arrivals.wait_longer(arrival)
        if arrival.is_last_chance:
            self.troubles.begin(
                arrival.photo,
                f"{arrival.photo}: cannot be read ({error.strerror}); tried again until it can",
            )
            if self.job.once:
                self.outcome.num_unreadable += 1
                self.arrivals.done(arrival.photo)


def _check_keep(job: WatchJob) -> None:
    """Refuse to keep photos where they would be found as new ones.

    Raises:
        ConfigError: The folder to keep them in lies in the watched one.
    """
    if job.keep is None:
        return
    if Path(os.path.realpath(job.keep.folder)).is_relative_to(os.path.realpath(job.folder)):
        raise ConfigError(
            f"--keep {job.keep.folder}: lies in the watched folder, where kept photos would be "
            "answered again; give a folder beside it"
        )


def _open_inotify(stack: contextlib.ExitStack, progress: Progress) -> Inotify | None:
    try:
        return stack.enter_context(contextlib.closing(Inotify()))
    except OSError as error:
        progress.say(f"inotify: {error.strerror}; photos are found by scanning, a little later")
        return None
