"""Which files of a folder have arrived whole and are not answered yet.

A file is whole when nothing of it changed for a while, or when inotify told that it was closed.
That is a guess: a slow upload may pause, so what cannot be read as a photo is given more time.
"""

import dataclasses
import errno
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from edgecat.photos.tree import LITTER
from edgecat.service.troubles import Troubles
from edgecat.watch.inotify import Changes, Inotify
from edgecat.watch.journal import Journal
from edgecat.watch.photo import Stamp, find_file

#: Endings of names that uploads have until they are done (SFTP, rsync, rclone, WinSCP, browsers).
TEMPORARY = (".part", ".partial", ".filepart", ".tmp", ".crdownload")

# Time between two scans; a large folder is scanned more rarely, so that a scan takes at most 5 %.
_SCAN_EVERY_S = 2.0
_SCAN_SHARE_RATIO = 0.05

# A scan of millions of files takes a minute. So long it goes on until arrivals are looked at again.
_SCAN_SLICE_S = 0.1

# How long to wait for inotify before files are looked at again.
_LOOK_EVERY_S = 0.25


@dataclasses.dataclass(frozen=True)
class Arrival:
    """A file to look at.

    Attributes:
        photo: Its name, relative to the folder, with "/".
        stamp: Its state when it was found to be whole.
        is_last_chance: It has had its time: if it is no photo now, it is broken.
    """

    photo: str
    stamp: Stamp
    is_last_chance: bool


@dataclasses.dataclass
class _Waiting:
    stamp: Stamp
    since_s: float
    is_closed: bool = False
    was_tried: bool = False


class Arrivals:
    """The files of a folder that wait for their answer.

    Links are not followed. Passed over are hidden files and folders, temporary names of uploads,
    the litter of operating systems, the results and their record, and what is no file.

    Attributes:
        has_scanned: The folder was looked through at least once.
        closed: Folders that could not be read when they were to be looked through last.
    """

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        troubles: Troubles,
        *,
        settle_s: float,
        patience_s: float,
        inotify: Inotify | None,
    ) -> None:
        """Prepare; the first `wait` scans.

        Args:
            folder: What is watched, with its sub-folders.
            journal: Knows what is done.
            troubles: Told of folders that cannot be read, and of files that are gone.
            settle_s: How long a file must not change to be whole.
            patience_s: How long a file that is no photo must not change to be broken.
            inotify: Makes it quicker; None for scanning alone.
        """
        self._folder = folder
        self._journal = journal
        self._troubles = troubles
        self._settle_s = settle_s
        self._patience_s = max(settle_s, patience_s)
        self._inotify = inotify
        self._waiting: dict[str, _Waiting] = {}
        self._folders: list[str] = []  # that are still to be looked through
        self._scan: Iterator[None] | None = None
        self._scan_took_s = 0.0
        self._next_scan_s = time.monotonic()
        self.has_scanned = False
        self.closed: set[Path] = set()

    @property
    def waiting(self) -> frozenset[str]:
        """Return the names of the files that wait, whole or not."""
        return frozenset(self._waiting)

    def wait(self) -> None:
        """Wait a moment, or until inotify tells of something; note what arrived."""
        seconds = min(_LOOK_EVERY_S, max(0.0, self._next_scan_s - time.monotonic()))
        if self._scan is not None:
            seconds = 0
        if self._inotify is None:
            time.sleep(seconds)
            changes = Changes()
        else:
            changes = self._inotify.wait(seconds)
        for path in changes.closed:
            self._note(str(path.relative_to(self._folder)), find_file(path), is_closed=True)
        for path in changes.new_folders:
            self._note_folder(str(path.relative_to(self._folder)))
        if changes.is_scan_due or time.monotonic() >= self._next_scan_s:
            self._folders.append("")
            self._next_scan_s = math.inf
        if self._folders or self._scan is not None:
            self._go_on_scanning()

    def take_whole(self) -> list[Arrival]:
        """Return the files to look at now, oldest first; each waits on until it is `done`."""
        whole = []
        for photo, waiting in list(self._waiting.items()):
            found = find_file(self._folder / photo)
            if found is None:
                self.done(photo)
                self._troubles.forget(photo)
                continue
            stamp, now_s = Stamp.of(found), time.monotonic()
            if stamp != waiting.stamp:
                self._waiting[photo] = _Waiting(stamp, now_s)
                continue
            unchanged_s = now_s - waiting.since_s
            is_last_chance = unchanged_s >= self._patience_s
            is_whole = waiting.is_closed or unchanged_s >= self._settle_s
            if is_last_chance or (is_whole and not waiting.was_tried):
                whole.append(Arrival(photo, stamp, is_last_chance))
        return sorted(whole, key=lambda arrival: (arrival.stamp.mtime_ns, arrival.photo))

    def done(self, photo: str) -> None:
        """Forget a file: it has its line, or is gone."""
        self._waiting.pop(photo, None)

    def wait_longer(self, arrival: Arrival) -> None:
        """Let a file wait until it changes, or for the rest of its time; after that, once more."""
        waiting = self._waiting[arrival.photo]
        waiting.was_tried = True
        if arrival.is_last_chance:
            waiting.since_s = time.monotonic()

    def _go_on_scanning(self) -> None:
        if self._scan is None:
            self._scan, self._scan_took_s = self._scan_folders(), 0.0
        started_s = now_s = time.monotonic()
        is_over = False
        while not is_over and now_s < started_s + _SCAN_SLICE_S:
            is_over = next(self._scan, self) is self
            now_s = time.monotonic()
        self._scan_took_s += now_s - started_s
        if is_over:
            self._scan, self.has_scanned = None, True
            pause_s = max(_SCAN_EVERY_S, self._scan_took_s / _SCAN_SHARE_RATIO)
            self._next_scan_s = min(self._next_scan_s, now_s + pause_s)

    def _scan_folders(self) -> Iterator[None]:
        """Note what is in the folders to look through; stop after each file."""
        while self._folders:
            folder = self._folders.pop()
            for entry, is_folder in self._list(self._folder / folder):
                name = folder + entry.name
                if is_folder:
                    self._note_folder(name)
                else:
                    self._note(name, find_file(entry.path), is_closed=False)
                    yield

    def _note_folder(self, folder: str) -> None:
        """Let a folder be looked through, if it is one to look through."""
        name = Path(folder).name
        if not name.startswith(".") and name not in LITTER:
            self._folders.append(f"{folder}/")

    def _note(self, photo: str, found: os.stat_result | None, *, is_closed: bool) -> None:
        """Let a file wait for its answer, if it is one to answer."""
        name = Path(photo).name
        is_temporary = name.lower().endswith(TEMPORARY) or name.startswith(".") or name in LITTER
        if found is None or is_temporary or self._journal.is_own(photo):
            return
        stamp = Stamp.of(found)
        # A file that was just closed is read even if its stamp is known: within one tick of the
        # file system's clock it may have been written twice.
        if is_closed or (photo not in self._waiting and not self._journal.is_known(photo, stamp)):
            self._waiting[photo] = _Waiting(stamp, time.monotonic(), is_closed)

    def _list(self, folder: Path) -> Iterator[tuple[os.DirEntry[str], bool]]:
        """Yield what is in a folder, and whether it is one; of what cannot be read, nothing."""
        if self._inotify is not None:
            try:
                self._inotify.add(folder)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # what else is wrong, the scan tells
                    self._troubles.begin(
                        "inotify",
                        "inotify: fs.inotify.max_user_watches is used up; photos are found by "
                        f"scanning every {_SCAN_EVERY_S:g} s",
                    )
        try:
            with os.scandir(folder) as entries:
                for entry in entries:  # what an entry is, some file systems tell only if asked
                    yield entry, entry.is_dir(follow_symlinks=False)
        except OSError as error:
            if folder == self._folder or not isinstance(error, FileNotFoundError):
                self.closed.add(folder)
                self._troubles.begin(
                    str(folder), f"{folder}: cannot be read ({error.strerror}); tried until it can"
                )
            return
        self.closed.discard(folder)
        self._troubles.end(str(folder))
