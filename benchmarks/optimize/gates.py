"""Which squeeze-and-excitation gates say nothing? How much each varies from photo to photo.

python -m benchmarks.optimize.gates ../shared/cats ../shared/not-cats --work runs/good

A gate scales each channel by a number of 0 to 1. Its range is the largest difference between two
photos, of the channel where that is largest: of a run's validation photos, and of photos that show
none of its classes. A gate of range 0 can be taken out, and the network stays what it is
(`--edit no-se:N`).
"""

from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.results import write_result
from edgecat.photos.pixels import Pixels, load_batch
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.mobilenet_blocks import find_blocks

_BATCH = 32


def measure_ranges(checkpoint: Checkpoint, photos: Pixels) -> dict[int, float]:
    """Return the range of each block's gate over photos, 0-1."""
    scales: dict[int, list[Tensor]] = {}
    hooks = []

    def keep(number: int, layer: nn.Module, inputs: Any, scale: Tensor) -> None:
        scales.setdefault(number, []).append(scale.flatten(1))

    for number, block in find_blocks(checkpoint.network.network).items():
        if block.gate is not None:
            layer = block.gate.get_submodule("scale_activation")
            hooks.append(layer.register_forward_hook(partial(keep, number)))
    with torch.inference_mode():
        for batch in np.array_split(photos, len(photos) // _BATCH + 1):
            checkpoint.answer(batch)
    for hook in hooks:
        hook.remove()
    found = {number: torch.cat(parts) for number, parts in scales.items()}
    return {n: float((s.amax(dim=0) - s.amin(dim=0)).max()) for n, s in found.items()}


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
