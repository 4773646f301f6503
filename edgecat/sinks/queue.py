"""The queue on disk: each answer waits there until every sink has taken it.

A line is put in by the transaction that notes its photo as done, so that what was answered is in
the queue, whatever is killed. Each sink has a place of its own in it: the number of the last line
that it has taken.

The newest `NUM_RECENT` lines stay behind the last place, for a sink whose other side may forget
what it took. Waiting are `MAX_WAITING` at most, some 10 MB: after that the oldest go, and a sink
learns how many it has missed.
"""

import dataclasses
import uuid
from collections.abc import Sequence

from edgecat.service.database import Database

#: How many lines stay when every sink has taken them.
NUM_RECENT = 100

#: How many lines wait at most. A camera that sees a cat every minute fills it in a week.
MAX_WAITING = 10_000

# AUTOINCREMENT: a number is never given twice, not even when all lines are gone.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (number INTEGER PRIMARY KEY AUTOINCREMENT, line BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sink (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue_name (name TEXT NOT NULL);
"""

_SELECT = "SELECT number, line, number = (SELECT max(number) FROM queue) FROM queue WHERE number"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A line of the queue.

    Attributes:
        id: Of this line among those of all queues; it stays the same however often it is sent.
        number: Its place: each is 1 above the one before.
        line: JSON in one line, without its end.
        is_newest: No other stands behind it.
    """

    id: str
    number: int
    line: bytes
    is_newest: bool


class Queue:
    """The tables of a queue, within a database that may have others."""

    def __init__(self, database: Database, sinks: Sequence[str]) -> None:
        """Open a queue or begin it.

        Args:
            database: Open.
            sinks: The names of those that take its lines. One that is new gets what comes from now
                on; one that is not named keeps its place. Without any, no line is kept.

        Raises:
            StorageError: It cannot be written.
        """
        self._database = database
        self._is_wanted = bool(sinks)
        with database.errors():
            database.sql.executescript(_SCHEMA)
        with database.transaction():
            for sink in sinks:
                database.sql.execute(
                    "INSERT OR IGNORE INTO sink "
                    "VALUES (?, (SELECT coalesce(max(number), 0) FROM queue))",
                    (sink,),
                )
            database.sql.execute(
                "INSERT INTO queue_name SELECT ? WHERE NOT EXISTS (SELECT 1 FROM queue_name)",
                (uuid.uuid4().hex,),
            )
        (self._name,) = database.find("SELECT name FROM queue_name")

    def put(self, line: bytes) -> None:
        """Let a line wait. To be called within a transaction.

        Args:
            line: JSON in one line.
        """
        if not self._is_wanted:
            return
        sql = self._database.sql
        sql.execute("INSERT INTO queue (line) VALUES (?)", (line.rstrip(b"\n"),))
        sql.execute(
            "DELETE FROM queue WHERE number <= (SELECT max(min(sink.number) - ?, "
            "(SELECT max(number) FROM queue) - ?) FROM sink)",
            (NUM_RECENT, MAX_WAITING),
        )

    def find_next(self, sink: str) -> Entry | None:
        """Return the oldest line that a sink has not taken, None if it has all."""
        row = self._database.find(
            f"{_SELECT} > (SELECT number FROM sink WHERE name = ?) ORDER BY number LIMIT 1",
            (sink,),
        )
        return row and self._to_entry(*row)

    def find_recent(self, sink: str) -> list[Entry]:
        """Return the last lines that a sink has taken, oldest first, `NUM_RECENT` at most."""
        with self._database.errors():
            rows = self._database.sql.execute(
                f"{_SELECT} <= (SELECT number FROM sink WHERE name = ?) "
                "ORDER BY number DESC LIMIT ?",
                (sink, NUM_RECENT),
            ).fetchall()
        return [self._to_entry(*row) for row in reversed(rows)]

    def count_waiting(self, sink: str) -> int:
        """Return how many lines a sink has still to take."""
        (number,) = self._database.find(
            "SELECT count(*) FROM queue WHERE number > (SELECT number FROM sink WHERE name = ?)",
            (sink,),
        )
        return int(number)

    def count_missed(self, sink: str, entry: Entry) -> int:
        """Return how many lines went before a sink could take them, its next one being `entry`."""
        (number,) = self._database.find("SELECT number FROM sink WHERE name = ?", (sink,))
        return int(entry.number - number - 1)

    def mark_taken(self, sink: str, number: int) -> None:
        """Note on the disk that a sink needs no line up to this one any more.

        Raises:
            StorageError: It was not noted.
        """
        with self._database.transaction():
            self._database.sql.execute("UPDATE sink SET number = ? WHERE name = ?", (number, sink))

    def _to_entry(self, number: int, line: bytes, is_newest: int) -> Entry:
        return Entry(f"{self._name}-{number}", number, line, bool(is_newest))
