"""A list of tasks that several processes share, on one machine or several: each is done by one.

Who does a task holds the lock of a file. Locks end with their holder (see `edgecat.train.lock`), so
nobody waits for the dead, and no machine's clock is asked.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edgecat.errors import RunInUse
from edgecat.progress import Progress
from edgecat.train.lock import lock_file, lock_run

# Between two looks whether others are ready or dead: nothing, against what a task takes.
_POLL_S = 2.0


@dataclasses.dataclass(frozen=True)
class Task:
    """What one process does while the others do something else.

    Attributes:
        name: Told to people.
        lock: The file whose lock its doer holds.
        is_done: Whether it was done, here or elsewhere.
        do: Does it; what it does not get done is left out.
    """

    name: str
    lock: Path
    is_done: Callable[[], bool]
    do: Callable[[], None]


class Narrator:
    """Says each line once."""

    def __init__(self, progress: Progress) -> None:
        """Say nothing yet."""
        self._progress, self._said = progress, set[str]()

    def say(self, line: str) -> None:
        """Say a line, if it is new."""
        if line not in self._said:
            self._said.add(line)
            self._progress.say(line)


def share_tasks(
    tasks: Sequence[Task], doing: str, may_go_on: Callable[[list[str]], bool], progress: Progress
) -> Iterator[Task]:
    """Do what nobody else does, then wait for the others; what one of them leaves is taken over.

    Args:
        tasks: All of them, in their order.
        doing: What is done to one, such as "learned".
        may_go_on: Asked with the names of those that are left, before one is done or waited for.
        progress: Told who does what.

    Yields:
        Each task that was done, here or elsewhere.
    """
    left, narrator = list(tasks), Narrator(progress)
    while left:
        for task in tuple(left):
            if not task.is_done():
                if not may_go_on([one.name for one in left]):
                    return
                try:
                    _do(task)
                except RunInUse as error:
                    narrator.say(f"{task.name} is being {doing} by {error.holder}")
                    continue
            left.remove(task)
            if task.is_done():
                yield task
        if left:
            names = ", ".join(one.name for one in left)
            narrator.say(f"waiting for {names}; Ctrl-C leaves that to the others")
            time.sleep(_POLL_S)


def _do(task: Task) -> None:
    """Do a task, if nobody has done it meanwhile.

    Raises:
        RunInUse: Another process does it.
    """
    with lock_file(task.lock):
        if not task.is_done():
            task.do()


@contextlib.contextmanager
def wait_for_folder(folder: Path, progress: Progress) -> Iterator[None]:
    """Make a folder, and be the only one who writes it until the block ends.

    Args:
        folder: Of all processes.
        progress: Told who writes it now.

    Raises:
        StorageError: It cannot be written, or its file system has no locks.
    """
    narrator = Narrator(progress)
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock_run(folder))
                break
            except RunInUse as error:
                narrator.say(f"{folder}: waiting for {error.holder}, who measures and plans")
                time.sleep(_POLL_S)
        yield
