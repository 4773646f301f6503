"""Which runs end as diverged, and do any sound ones? Small runs on real cats, at many rates.

python -m benchmarks.accuracy.divergence ../shared/cats --weights BACKBONE.pth

20 photos of each breed, small crops. Sound are the default rates, with and without the head's
phase, from ImageNet and from the released model, and with only two classes of five photos. Slow are
random weights: on so few photos they learn nothing in time, but may not be ended before their last
epoch.
"""

import csv
import math
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.errors import DivergedError
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.recipe import load_recipe
from edgecat.train.run import METRICS

SMALL = ("epochs=5", "crop_side_px=96", "batch_size=16")

# Name, classes, photos a class, weights ("" is --weights), what is set beside SMALL.
SOUND = (
    ("default", 12, 20, "", ()),
    ("no head phase", 12, 20, "", ("head_epochs=0",)),
    ("released model", 12, 20, "cats12", ()),
    ("two classes of five", 2, 5, "", ()),
    ("two classes of five, no head phase", 2, 5, "", ("head_epochs=0",)),
    ("three times the rate", 12, 20, "", ("rate=3e-3", "backbone_rate=1.5e-3")),
)
SLOW = (("random weights", 12, 20, "scratch", ("epochs=15",)),)
WILD = (
    ("rate 0.1", 12, 20, "", ("rate=0.1", "backbone_rate=0.05")),
    ("rate 1", 12, 20, "", ("rate=1.0",)),
    ("both rates 1", 12, 20, "", ("rate=1.0", "backbone_rate=1.0")),
    ("both rates 1, two classes of five", 2, 5, "", ("rate=1.0", "backbone_rate=1.0")),
    ("backbone's rate 1", 12, 20, "", ("backbone_rate=1.0",)),
    ("head's rate 1", 12, 20, "", ("head_rate=1.0",)),
    ("random weights, both rates 1", 12, 20, "scratch", ("rate=1.0", "backbone_rate=1.0")),
)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
def main(data: Path, weights: str) -> None:
    """Fine-tune at sound and at wild rates, and note how each run ends."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for kind, cases in (("sound", SOUND), ("slow", SLOW), ("wild", WILD)):
            for name, num_classes, num_photos, own_weights, settings in cases:
                photos = Path(work) / f"{num_classes}x{num_photos}"
                link_photos(data, photos, num_classes, num_photos)
                job = Job(
                    photos,
                    Path(work) / name,
                    weights=own_weights or weights,
                    recipe=load_recipe(None, [*SMALL, *settings]),
                    device="cpu",
                )
                rows.append({"name": name, "kind": kind, **run(job, num_classes)})
    write_result("divergence", {"weights": Path(weights).name, "settings": SMALL, "rows": rows})


def link_photos(data: Path, out: Path, num_classes: int, num_photos: int) -> None:
    """Link the first photos of the first breeds, unless that is done."""
    for breed in sorted(data.iterdir())[:num_classes]:
        (out / breed.name).mkdir(parents=True, exist_ok=True)
        for file in sorted(breed.iterdir())[:num_photos]:
            link = out / breed.name / file.name
            if not link.exists():
                link.symlink_to(file.resolve())


def run(job: Job, num_classes: int) -> dict[str, Any]:
    """Return how a run ends, and its epochs' losses in multiples of what guessing costs."""
    ended: dict[str, Any] = {"diverged_in_epoch": None}
    try:
        outcome = finetune(job, TerminalProgress()).outcome
        assert outcome is not None
        ended["val_top1_ratio"] = outcome.val_top1_ratio
    except DivergedError as error:
        divergence = error.args[0]
        ended = {"diverged_in_epoch": divergence.epoch, "reason": divergence.reason}
    epochs: list[dict[str, str]] = []
    if (job.run / METRICS).exists():
        with (job.run / METRICS).open(encoding="utf-8") as file:
            epochs = list(csv.DictReader(file))
    guessing = math.log(num_classes)
    return ended | {
        "losses_to_guessing": [float(epoch["train_loss"]) / guessing for epoch in epochs],
        "adjusted_recalls": [float(epoch["adjusted_recall_ratio"]) for epoch in epochs],
    }


if __name__ == "__main__":
    main()
