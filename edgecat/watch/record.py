"""Which photos are done: a row for each that was answered and is still there.

The rows of one name are numbered. The newest tells what stands under that name now; the others are
of files that were renamed or replaced, and leave when a sweep finds that out (`sweep`).
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from edgecat.service.database import Database, Purpose, wrap
from edgecat.watch.photo import Photo, Stamp, encode_name

#: The file beside the results. `outbox` and `sweep` are explained in the files of these names.
RECORD = Purpose(
    schema="""
        CREATE TABLE done (
            photo BLOB NOT NULL,
            number INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            size_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            ctime_ns INTEGER,
            sha256 BLOB NOT NULL,
            missing_since INTEGER,
            PRIMARY KEY (photo, number)
        ) WITHOUT ROWID;
        CREATE INDEX done_by_inode ON done (inode, photo);
        CREATE TABLE outbox (
            number INTEGER PRIMARY KEY,
            line BLOB NOT NULL,
            is_written INTEGER NOT NULL
        );
        CREATE TABLE sweep (number INTEGER NOT NULL, time_s INTEGER NOT NULL);
        INSERT INTO sweep VALUES (0, CAST(strftime('%s', 'now') AS INTEGER));
    """,
    if_busy="another edgecat watch has this record; stop that one, or give --out another file",
    if_closed="what is done is kept beside the results: give --out a file in a folder that may be "
    "written",
    if_full="nothing is lost: a photo without a line is answered once that is mended",
    if_damaged="move it away, and what is done is learned from the results file once more (not "
    "from rotated ones)",
    if_unreadable="it tells what is done: make it readable, or give --out another file",
    if_foreign="was not written by edgecat watch, which keeps its record there; give --out another "
    "file, or move that one away",
)

_FORGET_SAME_FILE = "DELETE FROM done WHERE inode = :inode AND photo = :photo"
_REMEMBER = """
INSERT INTO done
VALUES (:photo, (SELECT coalesce(max(number), 0) + 1 FROM done WHERE photo = :photo), :inode,
    :size_bytes, :mtime_ns, :ctime_ns, :sha256, NULL)
"""
_NEWEST = "FROM done WHERE photo = :photo ORDER BY number DESC LIMIT 1"
_RENAMED = """
SELECT 1 FROM done WHERE inode = :inode
    AND size_bytes = :size_bytes AND mtime_ns = :mtime_ns AND sha256 = :sha256
"""


class Record:
    """The table of what is done."""

    def __init__(self, database: Database) -> None:
        """Use a database.

        Args:
            database: Open.
        """
        self._database = database

    def is_known(self, name: str, stamp: Stamp) -> bool:
        """Return whether a photo is done, as far as that can be told without reading it.

        Only the newest photo of its own name counts: the inode of another may have been given to
        this file. Under its own name the inode does not count, because of FAT.
        """
        row = self._database.find(
            f"SELECT size_bytes, mtime_ns, ctime_ns {_NEWEST}", {"photo": encode_name(name)}
        )
        values = _to_sql(stamp)
        return bool(row == (values["size_bytes"], values["mtime_ns"], values["ctime_ns"]))

    def has_answered(self, photo: Photo) -> bool:
        """Return whether a photo is done: it is its name's newest content, or was renamed."""
        values = _to_row(photo)
        newest = self._database.find(f"SELECT sha256 {_NEWEST}", values)
        is_same_content = newest == (photo.sha256,)
        return is_same_content or self._database.find(_RENAMED, values) is not None

    def remember(self, photos: Iterable[Photo]) -> None:
        """Note photos as done. To be called within a transaction."""
        for photo in photos:
            values = _to_row(photo)
            self._database.sql.execute(_FORGET_SAME_FILE, values)
            self._database.sql.execute(_REMEMBER, values)


def _to_row(photo: Photo) -> dict[str, Any]:
    return {"photo": encode_name(photo.name), "sha256": photo.sha256} | _to_sql(photo.stamp)


def _to_sql(stamp: Stamp) -> dict[str, int | None]:
    values = dataclasses.asdict(stamp)
    return {name: None if value is None else wrap(value) for name, value in values.items()}
