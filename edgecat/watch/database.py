"""The SQLite file beside the results: whose it is, how it is opened, what goes wrong with it.

**Settings, each with its reason.** A write-ahead log with `synchronous=FULL` flushes the disk once
a transaction (a rollback journal: three times), and a transaction that is committed survives a
power cut. `locking_mode=EXCLUSIVE` keeps a second process out, and needs no shared memory, which
some file systems do not have. The log is carried over into the file every 256 pages (1 MiB): a
card is written less often than with every photo, and a small disk still has room for it.
Source: sqlite.org/pragma.html, sqlite.org/wal.html.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecat.errors import ConfigError, StorageError

# In the header of the file, bytes 68 to 71: says whose it is ("ECAT"). sqlite.org/fileformat.html
_APPLICATION_ID = 0x45434154
_APPLICATION_ID_AT = slice(68, 72)
_VERSION = 1

_SETTINGS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 256;
"""

# `done` and its index are explained in record.py, `outbox` in outbox.py, `sweep` in sweep.py.
_SCHEMA = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
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
INSERT INTO sweep VALUES (0, {{now_s}});
COMMIT;
"""


class Database:
    """An open database. One process may have it, in one thread.

    Attributes:
        path: Where it stands.
        sql: The connection; what is written stands within a `transaction`.
    """

    def __init__(self, path: Path) -> None:
        """Open a database or begin one.

        Args:
            path: The file; its folder must exist.

        Raises:
            ConfigError: Another process has it, or it is none of edgecat's, is damaged or of a
                newer version.
            StorageError: It cannot be read or written.
        """
        self.path = path
        is_new = _is_new(path)
        with self.errors():
            self.sql = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            with self.errors():
                self.sql.execute("PRAGMA locking_mode = EXCLUSIVE")
                if is_new:  # before there is a write-ahead log, so that the header names its owner
                    self.sql.executescript(_SCHEMA.format(now_s=int(time.time())))
                self.sql.executescript(_SETTINGS)
                (version,) = self.sql.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                raise ConfigError(
                    f"{path}: a record of version {version}, this edgecat reads version "
                    f"{_VERSION}; use the edgecat that wrote it"
                )
        except BaseException:
            self.sql.close()
            raise

    def find(self, query: str, values: Mapping[str, Any] | tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, None if it has none.

        Raises:
            ConfigError: The file is damaged.
            StorageError: It cannot be read.
        """
        with self.errors():
            return self.sql.execute(query, values).fetchone()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Let the statements of the block take effect together, on the disk when it ends.

        Raises:
            ConfigError: The file is damaged.
            StorageError: None of them took effect: the disk is full or closed.
        """
        with self.errors():
            self.sql.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.sql.execute("COMMIT")
            except BaseException:
                if self.sql.in_transaction:
                    self.sql.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Say what SQLite says in the words of edgecat.

        Raises:
            ConfigError: Another process has the file, or it is damaged.
            StorageError: The disk is full, closed or broken.
        """
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise ConfigError(
                    f"{self.path}: another edgecat watch has this record; stop that one, or give "
                    "--out another file"
                ) from None
            if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
                raise StorageError(
                    f"{self.path}: cannot be opened for writing; what is done is kept beside the "
                    "results: give --out a file in a folder that may be written"
                ) from None
            raise StorageError(
                f"{self.path}: cannot be written ({error}); nothing is lost: a photo without a "
                "line is answered once that is mended. Is the disk full (df -h)?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{self.path}: is damaged ({error}); move it away, and what is done is learned "
                "from the results file once more (not from rotated ones)"
            ) from error

    def close(self) -> None:
        """Let another process have it."""
        self.sql.close()


def wrap(value: int) -> int:
    """Return a number as SQLite stores it, signed 64 bits: inodes are unsigned, times longer."""
    return (value + 2**63) % 2**64 - 2**63


def _is_new(path: Path) -> bool:
    """Return whether a database is still to be begun.

    The file is looked at before SQLite does: that may write into a file as soon as it opens it.

    Raises:
        ConfigError: Another file stands there.
        StorageError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_APPLICATION_ID_AT.stop)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read ({error.strerror}); it tells what is done: make it readable, "
            "or give --out another file"
        ) from error
    if header and header[_APPLICATION_ID_AT] != _APPLICATION_ID.to_bytes(4, "big"):
        raise ConfigError(
            f"{path}: was not written by edgecat watch, which keeps its record there; give --out "
            "another file, or move that one away"
        )
    return not header
