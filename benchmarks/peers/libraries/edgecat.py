"""edgecat's own variants, as a device installs and opens them: uint8 photos in."""

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer, UnavailableError
from edgecat.runtime.engine import ENGINES


def _make(material: Material, made: Path, *, variant: str) -> None:
    """Copy the variant's files."""
    from edgecat.bundle.store import load_bundle

    bundle = load_bundle(material.bundle)
    found = [one for one in bundle.spec.variants if one.name == variant]
    if not found:
        raise UnavailableError(f"the bundle has no {variant}")
    for file in found[0].files:
        (made / file).write_bytes(bundle.read(file))


def _open(material: Material, made: Path, threads: int, *, variant: str) -> Model:
    """Open the variant from the bundle, its files proven, as `edgecat predict` does."""
    from edgecat.bundle.store import open_bundle
    from edgecat.runtime.choice import open_engine

    engine = open_engine(open_bundle(material.bundle), variant, threads)
    return Model(np.ascontiguousarray, engine.run, engine.describe()["effective_precision"])


def _peer(engine: str, precision: str) -> Peer:
    variant, environment = f"{engine}-{precision}", f"edgecat-{engine}"
    return Peer(
        variant,
        partial(_make, variant=variant),
        partial(_open, variant=variant),
        makes_in=environment,
        runs_in=environment,
    )


ENTRY = tuple(
    _peer(engine, precision.name)
    for engine, entry in ENGINES.load_all().items()
    for precision in entry.precisions
)
