"""What the textbook says of transfer learning, measured: four ways to start, little data, limits.

python -m benchmarks.transfer.transfer ../shared/cats --weights BACKBONE.pth --seeds 5

Each finished run is a file in --work, so that the same command goes on where a killed one stopped,
and adds seeds. The result is written anew after each experiment of a seed, and holds whole ones.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.results import write_result
from benchmarks.transfer.folders import Nums, link_split, list_classes
from benchmarks.transfer.limits import compare_confusions, measure_sizes
from benchmarks.transfer.training import Case, run_case
from edgecat import atomic
from edgecat.photos.drawings import draw_dataset
from edgecat.train.inits import INITS
from edgecat.train.run import MODEL, measure_versions

# The cheapest recipe that still shows the difference; a short average, since runs are short.
BATCH_SIZE = 8
SETTINGS = ("crop_side_px=128", f"batch_size={BATCH_SIZE}", "ema_decay=0.9")

# Every run takes as many steps as the others, in more epochs where photos are fewer: so scratch is
# not behind only because it learned for a shorter time.
NUM_STEPS = 240

# Four ways: six breeds to learn on, six to transfer to. No way lets its head learn alone, or the
# comparison would not be of the start alone.
WAYS_SETTINGS = ("head_epochs=0",)
PRETRAIN_NUMS, WAYS_NUMS = Nums(train=80, val=15, test=15), Nums(train=40, val=15, test=60)

# Little data: all breeds.
NUMS_TRAIN = (5, 10, 20, 40, 80)
NUM_VAL, NUM_TEST = 5, 30

# A far domain: drawings.
DRAWN_NUMS = Nums(train=10, val=5, test=30)


class Seed:
    """All runs of one seed, each made once and kept."""

    def __init__(self, data: Path, weights: str, work: Path, seed: int) -> None:
        """Prepare.

        Args:
            data: Photos, a folder per class.
            weights: Pretrained on ImageNet.
            work: Folder for photos and runs.
            seed: Of all chance.
        """
        self.data, self.weights, self.seed = data, weights, seed
        self.work = work / f"seed{seed}"

    def measure(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of each experiment."""
        yield self._measure_ways()
        yield self._measure_drawings()
        yield from map(self._measure_little, NUMS_TRAIN)
        yield self._measure_limits()

    def _measure_ways(self) -> list[dict[str, Any]]:
        """Pretrain on six breeds, transfer to the other six in four ways."""
        classes = list_classes(self.data)
        order = np.random.default_rng(self.seed).permutation(len(classes)).tolist()
        half = len(order) // 2
        old, new = ([classes[i] for i in part] for part in (order[:half], order[half:]))
        source = link_split(self.data, self.work / "old", old, PRETRAIN_NUMS, self.seed)
        target = link_split(self.data, self.work / "new", new, WAYS_NUMS, self.seed)
        pretrained = self._run("pretrain", source, "transfer", self.weights)
        weights = str(self.work / "pretrain" / MODEL)
        ways = [self._run(f"ways-{init}", target, init, weights, WAYS_SETTINGS) for init in INITS]
        return [pretrained, *ways]

    def _measure_drawings(self) -> list[dict[str, Any]]:
        """Compare transfer with scratch on drawings, far from what was pretrained on."""
        drawn, num = self.work / "drawn", sum(dataclasses.astuple(DRAWN_NUMS))
        self._keep("draw", lambda: {"num_drawn": draw_dataset(drawn, num, self.seed)})
        classes = list_classes(drawn)
        photos = link_split(drawn, self.work / "drawings", classes, DRAWN_NUMS, self.seed)
        return [
            self._run(f"drawn-{init}", photos, init, self.weights)
            for init in ("transfer", "scratch")
        ]

    def _measure_little(self, num: int) -> list[dict[str, Any]]:
        """Compare transfer with scratch on `num` training photos of each breed."""
        photos, nums = self._little_photos(num), {"num_train_per_class": num}
        return [
            self._run(f"little{num}-{init}", photos, init, self.weights) | nums
            for init in ("transfer", "scratch")
        ]

    def _measure_limits(self) -> list[dict[str, Any]]:
        """Look at the runs of the most photos: what they mistake, and photos of fewer pixels."""
        num = max(NUMS_TRAIN)
        photos = self._little_photos(num)
        runs = {init: self.work / f"little{num}-{init}" for init in ("transfer", "scratch")}
        return [
            self._keep("bias", lambda: compare_confusions(runs, photos, self.weights)),
            self._keep("sizes", lambda: {"sizes": measure_sizes(runs["transfer"], photos)}),
        ]

    def _little_photos(self, num: int) -> Path:
        nums, out = Nums(num, NUM_VAL, NUM_TEST), self.work / f"photos{num}"
        return link_split(self.data, out, list_classes(self.data), nums, self.seed)

    def _run(
        self, name: str, photos: Path, init: str, weights: str, settings: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        num_train = sum(1 for _ in (photos / "train").glob("*/*"))
        num_epochs = round(NUM_STEPS / round(num_train / BATCH_SIZE))
        case = Case(
            photos, init, weights, (*SETTINGS, f"epochs={num_epochs}", *settings), self.seed
        )
        return self._keep(name, lambda: run_case(case, self.work / name))

    def _keep(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what was measured under a name, now or by a command before."""
        file = self.work / f"{name}.json"
        if not file.exists():
            click.echo(f"seed {self.seed}: {name}", nl=False)
            row = measure()
            atomic.write_text(file, json.dumps(row))
            click.echo(f" {row.get('test_top1_ratio', '')}")
        found: dict[str, Any] = json.loads(file.read_text())
        experiment, _, _ = name.partition("-")
        return {"experiment": experiment.rstrip("0123456789"), "seed": self.seed, **found}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="runs/transfer")
@click.option("--seeds", default=5, show_default=True)
def main(data: Path, weights: str, work: Path, seeds: int) -> None:
    """Fine-tune in all ways, seed after seed."""
    values = {
        "weights": Path(weights).name,
        "versions": measure_versions(),
        "settings": {"all": SETTINGS, "ways": WAYS_SETTINGS},
        "num_steps": NUM_STEPS,
    }
    rows: list[dict[str, Any]] = []
    for number in range(seeds):
        seed = Seed(data, weights, work, number)
        for new_rows in seed.measure():
            rows += new_rows
            write_result("transfer", values | {"rows": rows})


if __name__ == "__main__":
    main()
