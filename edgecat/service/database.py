"""A SQLite file of a service: whose it is, how it is opened, what goes wrong with it.

**Settings, each with its reason.** A write-ahead log with `synchronous=FULL` flushes the disk once
a transaction (a rollback journal: three times), and a transaction that is committed survives a
power cut. `locking_mode=EXCLUSIVE` keeps a second process out, and needs no shared memory, which
some file systems do not have. The log is carried over into the file every 256 pages (1 MiB): a
card is written less often than with every photo, and a small disk still has room for it.
Source: sqlite.org/pragma.html, sqlite.org/wal.html.
"""

import contextlib
import dataclasses
import sqlite3
import threading
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

_BEGIN = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""


@dataclasses.dataclass(frozen=True)
class Purpose:
    """What a database is for: its tables, and what to do when something is wrong with it.

    Attributes:
        schema: The statements that make its tables.
        if_busy: Another process has it.
        if_closed: It cannot be opened for writing.
        if_full: It cannot be written.
        if_damaged: It is damaged.
        if_unreadable: It cannot be read.
        if_foreign: The file is none of edgecat's.
    """

    schema: str
    if_busy: str
    if_closed: str
    if_full: str
    if_damaged: str
    if_unreadable: str
    if_foreign: str


class Database:
    """An open database. One process may have it; its threads take turns.

    Attributes:
        path: Where it stands.
        sql: The connection; what is written stands within a `transaction`.
    """

    def __init__(self, path: Path, purpose: Purpose) -> None:
        """Open a database or begin one.

        Args:
            path: The file; its folder must exist.
            purpose: What it is for.

        Raises:
            ConfigError: Another process has it, or it is none of edgecat's, is damaged or of a
                newer version.
            StorageError: It cannot be read or written.
        """
        self.path = path
        self._purpose = purpose
        self._turn = threading.RLock()
        is_new = self._is_new()
        with self.errors():
            self.sql = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
        try:
            with self.errors():
                self.sql.execute("PRAGMA locking_mode = EXCLUSIVE")
                # Whoever was killed while it began one left a header that SQLite takes back now.
                (num_tables,) = self.sql.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if (
                    is_new or not num_tables
                ):  # before there is a write-ahead log, so that the header names its owner
                    self.sql.executescript(_BEGIN + purpose.schema + "COMMIT;")
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
        """Have the connection for one's own, and say what SQLite says in the words of edgecat.

        Raises:
            ConfigError: Another process has the file, or it is damaged.
            StorageError: The disk is full, closed or broken.
        """
        try:
            with self._turn:
                yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise ConfigError(f"{self.path}: {self._purpose.if_busy}") from None
            if error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
                raise StorageError(
                    f"{self.path}: cannot be opened for writing; {self._purpose.if_closed}"
                ) from None
            raise StorageError(
                f"{self.path}: cannot be written ({error}); {self._purpose.if_full}. Is the disk "
                "full (df -h)?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{self.path}: is damaged ({error}); {self._purpose.if_damaged}"
            ) from error

    def close(self) -> None:
        """Let another process have it."""
        with self._turn:
            self.sql.close()

    def _is_new(self) -> bool:
        """Return whether a database is still to be begun.

        The file is looked at before SQLite does: that may write into a file as soon as it opens it.

        Raises:
            ConfigError: Another file stands there.
            StorageError: It cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                header = file.read(_APPLICATION_ID_AT.stop)
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StorageError(
                f"{self.path}: cannot be read ({error.strerror}); {self._purpose.if_unreadable}"
            ) from error
        if header and header[_APPLICATION_ID_AT] != _APPLICATION_ID.to_bytes(4, "big"):
            raise ConfigError(f"{self.path}: {self._purpose.if_foreign}")
        return not header


def wrap(value: int) -> int:
    """Return a number as SQLite stores it, signed 64 bits: inodes are unsigned, times longer."""
    return (value + 2**63) % 2**64 - 2**63
