"""What the server does beside answering goes on, whatever happens to it."""

import asyncio

import pytest

pytest.importorskip("starlette", reason="needs edgecat[serve]")

from edgecat.serve import upkeep
from edgecat.serve.limits import Limits
from edgecat.serve.line import Line
from edgecat.serve.metrics import Metrics
from edgecat.service.live import LiveClassifier
from edgecat.service.signals import Signals


def test_after_a_failure_that_nobody_foresaw_the_next_bundle_is_looked_for(monkeypatch):
    classifier, said = LiveClassifier("cats12"), []
    looks = iter([RuntimeError("can't start new thread"), True])

    def look():
        if isinstance(found := next(looks, False), Exception):
            raise found
        return found

    monkeypatch.setattr(upkeep, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(classifier, "reload_if_changed", look)

    async def run():
        line = Line(Limits())
        keeps = upkeep.Upkeep(classifier, line, Metrics(), Signals(), said.append)
        async with keeps.running():
            while len(said) < 2:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 30))
    assert said[0] == "new bundle refused, the old one serves on: can't start new thread"
    assert said[1].startswith("now serving ")
