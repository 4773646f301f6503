"""A queue in a file of its own, for a service that keeps no results: `edgecat stream`, `serve`."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecat.errors import ConfigError, StorageError
from edgecat.progress import Progress
from edgecat.service.database import Database, Purpose
from edgecat.sinks.courier import Couriers
from edgecat.sinks.queue import Queue
from edgecat.sinks.sink import Sink
from edgecat.strict import to_json

_ANOTHER = "give --outbox another file"
_PURPOSE = Purpose(
    schema="",
    if_busy=f"another edgecat has this outbox; stop that one, or {_ANOTHER}",
    if_closed=f"{_ANOTHER}, in a folder that may be written",
    if_full="answers are not told to sinks until that is mended",
    if_damaged=f"move it away, or {_ANOTHER}; what waited in it is lost",
    if_unreadable=f"make it readable, or {_ANOTHER}",
    if_foreign=f"was not written by edgecat; {_ANOTHER}",
)

# How long the end waits for sinks: what is left then waits for the next start.
_FINISH_S = 1.0


class Outbox:
    """An open queue and the couriers that empty it, for as long as its block lasts."""

    def __init__(self, path: Path, sinks: Sequence[Sink], progress: Progress) -> None:
        """Open it or begin it.

        Args:
            path: Its file; the folder must exist.
            sinks: Who is told.
            progress: Told of troubles and their ends.

        Raises:
            ConfigError: Another process has it, or the file is none.
            StorageError: It cannot be written.
        """
        self._progress = progress
        self._is_broken = False
        with contextlib.ExitStack() as stack:
            self._database = stack.enter_context(contextlib.closing(Database(path, _PURPOSE)))
            self._queue = Queue(self._database, [sink.name for sink in sinks])
            self._couriers = Couriers(self._queue, sinks, progress, patience_s=_FINISH_S)
            self._open = stack.pop_all()

    def __enter__(self) -> "Outbox":
        """Begin to tell."""
        self._open.enter_context(self._couriers)
        return self

    def __exit__(self, *exception: object) -> None:
        """End, and close the file."""
        self._open.close()

    def tell(self, line: dict[str, Any]) -> bool:
        """Let an answer wait for the sinks; return whether it does: a full disk stops nothing.

        Args:
            line: Plain values.
        """
        try:
            with self._database.transaction():
                self._queue.put(to_json(line, is_ascii=True).encode())
        except (StorageError, ConfigError) as error:  # the latter of a damaged file
            if not self._is_broken:
                self._progress.say(str(error))
            self._is_broken = True
            return False
        if self._is_broken:
            self._progress.say(f"{self._database.path}: well again")
        self._is_broken = False
        self._couriers.wake()
        return True
