"""Which squeeze-and-excitation gates say nothing? How much each varies from photo to photo.

python -m benchmarks.optimize.gates ../shared/cats ../shared/not-cats --work runs/good

A gate scales each channel by a number of 0 to 1. Its range is the largest difference between two
photos, of the channel where that is largest: of a run's validation photos, and of photos that show
none of its classes. A gate of range 0 can be taken out, and the network stays what it is
(`--edit no-se:N`).
"""

from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.results import write_result
from edgecat.photos.pixels import Pixels, load_batch
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.look import record_layers
from edgecat.train.mobilenet_blocks import find_blocks

_BATCH = 32


def measure_ranges(checkpoint: Checkpoint, photos: Pixels) -> dict[int, float]:
    """Return the range of each block's gate over photos, 0-1."""
    layers = {
        number: block.gate.get_submodule("scale_activation")
        for number, block in find_blocks(checkpoint.network.network).items()
        if block.gate is not None
    }
    parts: dict[int, list[Tensor]] = {number: [] for number in layers}
    for batch in np.array_split(photos, len(photos) // _BATCH + 1):
        with record_layers([*layers.values()]) as seen:
            checkpoint.answer(batch)
        for number, layer in layers.items():
            _, made = seen[layer]
            parts[number].append(made.flatten(1))
    scales = {number: torch.cat(made) for number, made in parts.items()}  # [N, C]
    return {n: float((s.amax(dim=0) - s.amin(dim=0)).max()) for n, s in scales.items()}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("others", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default="runs/good", show_default=True)
@click.option("--seeds", default=3, show_default=True)
def main(data: Path, others: Path, work: Path, seeds: int) -> None:
    """Measure the gates of finished runs."""
    strangers, rows = load_batch(sorted(others.glob("*.jpg"))), []
    for seed in range(seeds):
        checkpoint = load_checkpoint(work / f"seed{seed}")
        split = checkpoint.split
        known = load_batch(data / split.photos[i].path for i in split.indices("val"))
        ranges = measure_ranges(checkpoint, known), measure_ranges(checkpoint, strangers)
        rows += [
            {"seed": seed, "block": n, "val_range": ranges[0][n], "others_range": ranges[1][n]}
            for n in ranges[0]
        ]
    write_result("gates", {"num_val": len(known), "num_others": len(strangers), "rows": rows})


if __name__ == "__main__":
    main()
