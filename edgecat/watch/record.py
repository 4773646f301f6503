"""Which photos are done: a row for each that was answered and is still there.

The rows of one name are numbered. The newest tells what stands under that name now; the others are
of files that were renamed or replaced, and leave when a sweep finds that out (`sweep`).
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from edgecat.watch.database import Database, wrap
from edgecat.watch.photo import Photo, Stamp, encode_name

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
