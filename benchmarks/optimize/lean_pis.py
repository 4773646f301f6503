"""How many instructions do lean networks take on emulated Raspberry Pis, in each engine?

python -m benchmarks.optimize.lean_pis FOLDER/0/search --arm "python tests/emulated/pi.py"

After `lean_variants`, which exports the networks of FOLDER's searches. COMMAND is called as in
`benchmarks.engines.emulated`. Instructions are no milliseconds: they leave out caches and memory.
"""

import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.engines.emulated import NUM_COUNTED, answer_apart
from benchmarks.results import write_result
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.optimize.job import PARENT

_PIS = ("pi4", "pi5")

_ENGINES = ("onnxruntime", "ncnn")

# What is to be reached, of the instructions of the network as it is, in the same engine.
_TARGETS = {"ratio_to_same_variant": 0.45}


def count_all(bundles: dict[str, Bundle], arm: str) -> list[dict[str, Any]]:
    """Return the instructions of a photo, of each network's variants on each processor."""
    rows = []
    for pi in _PIS:
        for name, bundle in bundles.items():
            # Noise: what a network computes does not depend on the picture.
            shape = (NUM_COUNTED, *bundle.spec.input.shape)
            photos = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
            for variant in bundle.spec.variants:
                if variant.engine not in _ENGINES:
                    continue
                answered = answer_apart([*shlex.split(arm), pi], bundle.path, variant.name, photos)
                if answered:
                    count = answered.instructions_per_image
                    row = {"machine": pi, "network": name, "variant": variant.name}
                    rows.append(row | {"instructions_per_image": count})
                    click.echo(rows[-1])
    return rows


def compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their instructions by those of the network as it is."""
    counts = {
        (row["machine"], row["variant"]): row["instructions_per_image"]
        for row in rows
        if row["network"] == PARENT
    }
    return [
        row | {"ratio_to_same_variant": row["instructions_per_image"] / whole}
        for row in rows
        for whole in [counts[row["machine"], row["variant"]]]
    ]


@click.command()
@click.argument("search", type=click.Path(path_type=Path))
@click.option("--arm", required=True, help="Runs aarch64 Python; see above.")
def main(search: Path, arm: str) -> None:
    """Count the instructions of the networks that SEARCH exported."""
    folders = {folder.name.removesuffix(".edgecat"): folder for folder in search.glob("*.edgecat")}
    bundles = {name: load_bundle(folder) for name, folder in sorted(folders.items())}
    write_result("lean_pis", {"rows": compare(count_all(bundles, arm)), "targets": _TARGETS})


if __name__ == "__main__":
    main()
