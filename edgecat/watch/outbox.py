"""The newest lines of the results, kept until they surely stand there: see `journal`."""

import dataclasses
from collections.abc import Iterable

from edgecat.service.database import Database

#: How many are kept. What is written while logrotate copies and truncates the results file, which
#: takes it seconds, is lost there; no device answers so many photos meanwhile.
NUM_KEPT = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class KeptLine:
    """One of the newest lines.

    Attributes:
        number: Counts the answers, from 1.
        data: The line with its newline; empty when only its number is still needed.
        is_written: It was seen in the results file.
    """

    number: int
    data: bytes
    is_written: bool


class Outbox:
    """The table of lines: those that are not written yet, and the newest of those that are."""

    def __init__(self, database: Database) -> None:
        """Use a database.

        Args:
            database: Open.
        """
        self._database = database

    def load(self) -> list[KeptLine]:
        """Return the lines, oldest first."""
        with self._database.errors():
            rows = self._database.sql.execute("SELECT * FROM outbox ORDER BY number").fetchall()
        return [KeptLine(number, data, bool(is_written)) for number, data, is_written in rows]

    def put(self, data: bytes, *, is_written: bool, step: int = 1) -> KeptLine:
        """Keep a line, and drop the oldest of those that are written; within a transaction.

        Args:
            data: The line.
            is_written: It was seen in the results file.
            step: How many answers it is behind the newest line.
        """
        sql = self._database.sql
        (newest,) = sql.execute("SELECT coalesce(max(number), 0) FROM outbox").fetchone()
        line = KeptLine(newest + step, data, is_written)
        sql.execute("INSERT INTO outbox VALUES (?, ?, ?)", dataclasses.astuple(line))
        oldest = (line.number - NUM_KEPT,)
        sql.execute("DELETE FROM outbox WHERE number <= ? AND is_written", oldest)
        return line

    def mark_written(self, lines: Iterable[KeptLine]) -> None:
        """Note that lines were seen in the results file. To be called within a transaction."""
        self._database.sql.executemany(
            "UPDATE outbox SET is_written = 1 WHERE number = ?", ((line.number,) for line in lines)
        )

    def replace(self, lines: Iterable[KeptLine]) -> None:
        """Keep these lines and no others.

        Raises:
            StorageError: Nothing was changed.
        """
        with self._database.transaction():
            self._database.sql.execute("DELETE FROM outbox")
            self._database.sql.executemany(
                "INSERT INTO outbox VALUES (?, ?, ?)", map(dataclasses.astuple, lines)
            )
