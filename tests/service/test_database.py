"""A database that was killed while it was begun."""

import contextlib
import sqlite3
import struct

from edgecat.service.database import _BEGIN, Database
from edgecat.watch.record import RECORD

# Of a rollback journal's header: sqlite.org/fileformat.html, "The Rollback Journal".
_MAGIC, _SECTOR_BYTES, _PAGE_BYTES = bytes.fromhex("d9d505f920a163d7"), 512, 4096


def test_a_database_whose_first_commit_was_cut_off_is_begun_anew(tmp_path):
    path = tmp_path / "record.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as killed:
        killed.executescript(f"{_BEGIN}{RECORD.schema}COMMIT;")
    # Pages had come to the disk, and the journal still says that there was none before.
    header = struct.pack(">8s5I", _MAGIC, 0, 0, 0, _SECTOR_BYTES, _PAGE_BYTES)
    path.with_name(f"{path.name}-journal").write_bytes(header.ljust(_SECTOR_BYTES, b"\0"))
    for _ in range(2):
        with contextlib.closing(Database(path, RECORD)) as opened:
            assert opened.find("SELECT count(*) FROM outbox") == (0,)
