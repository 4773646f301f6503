"""A folder of kept photos, and a real server of its review on a free loopback port."""

import contextlib
import threading

import pytest

pytest.importorskip("uvicorn", reason="needs edgecat[serve]")
pytest.importorskip("starlette", reason="needs edgecat[serve]")

from edgecat.keep.decisions import read_decisions, settle
from edgecat.keep.keeper import Keeper, Source
from edgecat.keep.kept import DECISIONS
from edgecat.keep.place import KeepPlace
from edgecat.progress import Silent
from edgecat.review.server import open_server
from edgecat.runtime.prediction import Guess, Prediction
from edgecat.serve.server import Address, listen
from edgecat.service.signals import Signals
from tests.keep.conftest import draw
from tests.serve.conftest import TIMEOUT_S, Served, wait_until

# What a web page, a shell or a path could mistake for something else.
EVIL_LABELS = ("<script>window.intruder = 1</script>", 'it\'s "a"', "a/b", "#1", "C++", "고양이")
LABELS = ("Siamese", "Persian", "Bengal")


def keep_photos(folder, num, labels=LABELS, first=0):
    """Keep photos, of each third kind another; return their SHA-256 in that order."""
    keeper = Keeper(KeepPlace(folder, 2**30), Silent())
    hashes = []
    for seed in range(first, first + num):
        photo, sha256 = draw(seed)
        best, other = labels[seed % len(labels)], labels[(seed + 1) % len(labels)]
        top = (Guess(best, 0.5), Guess(other, 0.4))
        prediction = Prediction(best, 0.5, top, seed % 2 == 0, ood_score=2.5)
        keeper.look_at(photo, sha256, prediction, Source("cats", "v", f"{seed}.png"))
        hashes.append(sha256)
    keeper.close()
    return hashes


def holds(folder):
    """Return what holds of each photo."""
    found = settle(read_decisions(folder / DECISIONS).decisions)
    return {sha256: decision.label or decision.kind for sha256, decision in found.items()}


class Reviewed(Served):
    """A running review and how to talk to it."""

    def look(self):
        status, _, found = self.ask("GET", "/v1/review")
        assert status == 200, found
        return found

    def post(self, body, **headers):
        headers = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.ask("POST", "/v1/decisions", body, headers)

    def check(self, *answer):
        """There is no document of the addresses."""


@contextlib.contextmanager
def reviewing(folder, labels=(), address=None):
    address = address or Address(port=0)
    said = []
    with open_server(folder, labels, address, Signals(), said.append) as (server, _):
        listeners = listen(address)
        thread = threading.Thread(target=server.run, kwargs={"sockets": listeners})
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            yield Reviewed(listeners[0].getsockname()[1], said)
        finally:
            server.should_exit = True
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "kept"
