"""What runs in a peer's environment: it makes a model, or answers and times photos when asked.

python -m benchmarks.peers.child make  NAME MATERIAL MADE
python -m benchmarks.peers.child once  NAME MATERIAL MADE THREADS
python -m benchmarks.peers.child serve NAME MATERIAL MADE THREADS
python -m benchmarks.peers.child count NAME MATERIAL MADE NUM_PHOTOS OUT.npy

"serve" reads a line of JSON, ["method", argument, ...], and answers with one, until its input ends.
"count" writes logits; around the first photos it calls os.getppid(), at which an emulator may say
how many instructions it has come to. An environment needs numpy and the peer's library; of edgecat,
whose source is on the path, this imports what needs no more than that: the one clock.
"""

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, find_peer
from edgecat.bench.turn import Turn
from edgecat.machine.memory import peak_rss_bytes

# Photos that are timed, again and again.
_NUM_TIMED = 32

#: Photos whose instructions are counted.
NUM_COUNTED = 3


class Answerer:
    """A model that answers the material's photos, opened anew when asked."""

    def __init__(self, open_model: Callable[[], Model], material: Material, threads: int) -> None:
        """Open it for the first time."""
        self._open_model, self._material, self._threads = open_model, material, threads
        self._model, self._turn = self._open()

    def open(self) -> None:
        """Open it anew; what was open is gone."""
        del self._model, self._turn
        gc.collect()  # which a turn leaves to us
        self._model, self._turn = self._open()

    def _open(self) -> tuple[Model, Turn[Any]]:
        model = self._open_model()
        photos = np.array(self._material.load_photos()[:_NUM_TIMED])
        inputs = [model.prepare(photos[i : i + 1]) for i in range(len(photos))]
        return model, Turn(model.run, inputs, self._threads)

    def describe(self) -> dict[str, Any]:
        """Return the precision, and what is installed here."""
        versions = {one.metadata["Name"]: one.version for one in distributions()}
        return {"precision": self._model.precision, "versions": dict(sorted(versions.items()))}

    def measure_ms(self) -> list[float]:
        """Return the milliseconds of each photo of a turn."""
        return self._turn.measure_ms()

    def answer(self, out: str) -> None:
        """Write the logits of all photos, one by one answered."""
        photos = self._material.load_photos()
        np.save(out, np.stack([answer(self._model, photos[i]) for i in range(len(photos))]))


def answer(model: Model, photo: np.ndarray) -> np.ndarray:
    """Return a photo's logits, float32 `[K]`, for uint8 `[H, W, 3]`, RGB."""
    return np.array(model.run(model.prepare(np.array(photo)[None])), np.float32).reshape(-1)


def serve(answerer: Answerer, answers: TextIO) -> None:
    """Do what is asked until nobody asks any more."""
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        result = getattr(answerer, method)(*arguments)
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def count(model: Model, material: Material, num_photos: int, out: str) -> None:
    """Write the logits of some photos, evenly drawn, float32 `[num_photos, K]`."""
    photos = material.load_photos()
    photos = photos[:: max(1, len(photos) // num_photos)][:num_photos]
    inputs = [model.prepare(np.array(photo)[None]) for photo in photos]
    model.run(inputs[0])  # the first one costs what is done once
    os.getppid()
    for one in inputs[:NUM_COUNTED]:
        model.run(one)
    os.getppid()
    np.save(out, np.stack([np.array(model.run(one), np.float32).reshape(-1) for one in inputs]))


@contextlib.contextmanager
def own_output() -> Any:
    """Open standard output for this file alone: what libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        yield output


def run(arguments: Sequence[str]) -> None:
    """Do one of the things above."""
    action, name, folder, made, *rest = arguments
    peer, material = find_peer(name), Material(Path(folder))
    with own_output() as output:
        if action == "make":
            peer.make(material, Path(made))
            return
        threads = 1 if action == "count" else int(rest[0])
        open_model = partial(peer.open, material, Path(made), threads)
        if action == "serve":
            serve(Answerer(open_model, material, threads), output)
        elif action == "count":
            count(open_model(), material, int(rest[0]), rest[1])
        else:
            answer(open_model(), material.load_photos()[0])
            output.write(json.dumps({"peak_rss_bytes": peak_rss_bytes()}) + "\n")


if __name__ == "__main__":
    run(sys.argv[1:])
