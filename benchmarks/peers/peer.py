"""What takes part in the race: how a model is made and opened, each in an environment of its own.

A library is a file of `benchmarks/peers/libraries/`, whose `ENTRY` holds its peers. It imports its
library where it is used, since the race, which only lists them, has none of them installed.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.material import Material
from edgecat.registry import Registry


class UnavailableError(Exception):
    """A row that cannot be had: its message says why."""


@dataclasses.dataclass(frozen=True)
class Model:
    """An open model.

    Attributes:
        prepare: From a photo, uint8 `[1, H, W, 3]` RGB, to what `run` takes. Never timed, so that
            nobody is slow by the numpy of this benchmark.
        run: Returns float32 logits, K numbers in any shape.
        precision: What the library says that it computes in.
    """

    prepare: Callable[[npt.NDArray[np.uint8]], Any]
    run: Callable[[Any], npt.NDArray[np.float32]]
    precision: str


@dataclasses.dataclass(frozen=True)
class Peer:
    """A library with one setting.

    Attributes:
        setting: The second half of its name: "default".
        make: Writes its model's files into an empty folder.
        open: Opens these files with a number of threads.
        makes_in: The environment in which it is made: a file of `benchmarks/peers/requirements/`.
        runs_in: The one in which it answers: what a device installs.
    """

    setting: str
    make: Callable[[Material, Path], None]
    open: Callable[[Material, Path, int], Model]
    makes_in: str
    runs_in: str


LIBRARIES: Registry[tuple[Peer, ...]] = Registry("benchmarks.peers.libraries", "library")


def list_peers() -> dict[str, Peer]:
    """Return all peers, and edgecat's own variants, by their names: "onnxruntime/default"."""
    return {
        f"{library}/{peer.setting}": peer
        for library, peers in LIBRARIES.load_all().items()
        for peer in peers
    }


def find_peer(name: str) -> Peer:
    """Return a peer; only its own library's file is imported."""
    library, _, setting = name.partition("/")
    return next(peer for peer in LIBRARIES.load(library) if peer.setting == setting)
