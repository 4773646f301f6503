"""Do two processes learn as one does? Loss curves of the same batches, on real cats.

python -m benchmarks.accuracy.ranks ../shared/cats --weights BACKBONE.pth

40 photos of each breed, small crops, batches of 32: by one process, and by two of torchrun's on
the same processor (gloo), with BatchNorm's statistics of the whole batch and of each part.
"""

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.accuracy.divergence import link_photos
from benchmarks.results import write_result
from edgecat.train.run import METRICS, load_run

SMALL = ("epochs=4", "head_epochs=5", "crop_side_px=96", "batch_size=32")
NUM_CLASSES, NUM_PHOTOS = 12, 40

# Name, processes, whether they share BatchNorm's statistics.
CASES = (
    ("one process", 1, True),
    ("two", 2, True),
    ("two, each with statistics of its own", 2, False),
)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
def main(data: Path, weights: str) -> None:
    """Fine-tune with one process and with two, and compare the losses of the epochs."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        photos = Path(work) / "photos"
        link_photos(data, photos, NUM_CLASSES, NUM_PHOTOS)
        for number, (name, num_ranks, is_shared) in enumerate(CASES):
            run = Path(work) / str(number)
            settings = (*SMALL, f"sync_batch_norm={str(is_shared).lower()}")
            start(num_ranks, photos, run, weights, settings)
            rows.append({"name": name, "num_ranks": num_ranks, **read_curve(run)})
    alone = rows[0]["train_losses"]
    for row in rows:
        pairs = zip(row["train_losses"], alone, strict=True)
        row["largest_difference_ratio"] = max(abs(loss / one - 1) for loss, one in pairs)
    write_result("ranks", {"weights": Path(weights).name, "settings": SMALL, "rows": rows})


def start(num_ranks: int, photos: Path, run: Path, weights: str, settings: tuple[str, ...]) -> None:
    """Fine-tune with so many processes, each with one thread."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_ranks}"]
    command = ["-m", "edgecat", "finetune", str(photos), "--out", str(run), "--weights", weights]
    options = [part for setting in settings for part in ("--set", setting)]
    subprocess.run(
        [sys.executable, *launch, *command, "--device", "cpu", *options],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )


def read_curve(run: Path) -> dict[str, Any]:
    """Return an epoch's losses, and what came of it."""
    with (run / METRICS).open() as file:
        epochs = list(csv.DictReader(file))
    outcome = load_run(run).outcome
    assert outcome is not None
    return {
        "train_losses": [float(epoch["train_loss"]) for epoch in epochs],
        "val_losses": [float(epoch["val_loss"]) for epoch in epochs],
        "images_per_s": outcome.images_per_s,
        "test_top1_ratio": outcome.test_top1_ratio,
    }


if __name__ == "__main__":
    main()
