"""Which answers stay until they stand in the results file."""

import contextlib

from edgecat.service.database import Database
from edgecat.watch.outbox import Outbox
from edgecat.watch.record import RECORD


def test_an_answer_that_is_not_written_is_kept_however_many_come_after_it(tmp_path):
    with contextlib.closing(Database(tmp_path / "record.sqlite", RECORD)) as opened:
        outbox = Outbox(opened)
        with opened.transaction():
            outbox.put(b"written", is_written=True)
            outbox.put(b"not yet", is_written=False)
            outbox.put(b"taken over", is_written=True, step=5000)
        assert [line.data for line in outbox.load()] == [b"not yet", b"taken over"]
