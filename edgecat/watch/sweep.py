"""Photos that were deleted long ago leave the record, so that it does not grow for ever.

Once a day the record is gone through and each row's file looked for. A row leaves when it was
missing in 30 sweeps one after the other: a disk that is away for a week, or a clock that jumps,
costs nothing. The row of a file whose name another one has taken leaves with the second sweep.
"""

import dataclasses
import os
import time
from pathlib import Path

from edgecat.service.database import Database, wrap

# A device without a clock may be set forwards or back by years: that makes one sweep at most.
_EVERY_S = 24 * 3600
_NUM_SWEEPS = 30
_NUM_SWEEPS_IF_REPLACED = 1

# So many rows in one step: about 2 ms.
_NUM_ROWS = 200

# The rows behind one, in the order of names.
_ROWS = """
SELECT photo, number, inode, missing_since,
    number = (SELECT max(number) FROM done AS same WHERE same.photo = done.photo)
FROM done WHERE (photo, number) > (?, ?) ORDER BY photo, number LIMIT ?
"""


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    photo: bytes
    number: int
    inode: int
    missing_since: int | None
    is_newest: bool


class Sweep:
    """Goes through the record a step at a time, when that is due."""

    def __init__(self, folder: Path, database: Database) -> None:
        """Prepare.

        Args:
            folder: The watched one.
            database: Open.
        """
        self._folder = folder
        self._database = database
        self._place: tuple[bytes, int] | None = None  # None: no sweep is under way
        self._number = 0

    def step(self) -> bool:
        """Look for some files if a sweep is due; return whether there are more to look for.

        Raises:
            StorageError: It could not be noted; the next step tries again.
        """
        if not self._folder.is_dir():
            return False
        if self._place is None:
            number, time_s = self._database.find("SELECT number, time_s FROM sweep")
            if 0 <= time.time() - time_s < _EVERY_S:
                return False
            self._place, self._number = (b"", 0), number + 1
        rows = self._load_rows(self._place)
        with self._database.transaction():
            for row in rows:
                self._note(row, is_there=self._is_there(row))
            if not rows:
                self._database.sql.execute(
                    "UPDATE sweep SET number = ?, time_s = ?", (self._number, int(time.time()))
                )
        self._place = (rows[-1].photo, rows[-1].number) if rows else None
        return bool(rows)

    def _load_rows(self, place: tuple[bytes, int]) -> list[_Row]:
        with self._database.errors():
            return [_Row(*row) for row in self._database.sql.execute(_ROWS, (*place, _NUM_ROWS))]

    def _is_there(self, row: _Row) -> bool:
        try:
            found = os.lstat(self._folder / os.fsdecode(row.photo))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # of a folder that may not be read nothing is known
        return bool(row.is_newest) or wrap(found.st_ino) == row.inode

    def _note(self, row: _Row, *, is_there: bool) -> None:
        """Note what became of a row's file, where that is another thing than before."""
        place = {"photo": row.photo, "number": row.number, "sweep": self._number}
        where = "WHERE photo = :photo AND number = :number"
        num_sweeps = _NUM_SWEEPS if row.is_newest else _NUM_SWEEPS_IF_REPLACED
        if is_there and row.missing_since is not None:
            self._database.sql.execute(f"UPDATE done SET missing_since = NULL {where}", place)
        elif not is_there and row.missing_since is None:
            self._database.sql.execute(f"UPDATE done SET missing_since = :sweep {where}", place)
        elif not is_there and self._number - (row.missing_since or 0) >= num_sweeps:
            self._database.sql.execute(f"DELETE FROM done {where}", place)
