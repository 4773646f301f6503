"""Does it pay to show small classes more often? Real cats, of which half of the breeds are cut.

python -m benchmarks.accuracy.unequal_classes ../shared/cats --weights BACKBONE.pth

Of each seed, six breeds drawn at random keep 12 to 24 training photos, the other six 90 (up to
1:7.5); each breed has 40 photos to validate with, so that a recall means something, and 10 to test
with, which are not looked at here. The same photos are trained with each --balance.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.recipe import load_recipe
from edgecat.train.run import METRICS, RunRecord

NUM_LARGE, NUM_VAL, NUM_TEST = 90, 40, 10
NUMS_SMALL = (12, 12, 16, 16, 24, 24)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--balance", "balances", type=float, multiple=True, default=(0.0, 0.5, 1.0))
@click.option("--set", "settings", multiple=True, default=("epochs=4", "crop_side_px=160"))
def main(
    data: Path, weights: str, seeds: int, balances: tuple[float, ...], settings: tuple[str, ...]
) -> None:
    """Fine-tune on unequal classes with each way to draw photos."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for seed in range(seeds):
            photos = Path(work) / f"photos{seed}"
            small = cut_classes(data, photos, seed)
            for balance in balances:
                run = Path(work) / f"run{seed}_{balance}"
                recipe = load_recipe(None, [*settings, f"balance_ratio={balance}"])
                job = Job(photos, run, weights=weights, recipe=recipe, seed=seed, device="cpu")
                record = finetune(job, TerminalProgress())
                rows.append({"seed": seed, "balance_ratio": balance, **score(record, run, small)})
    write_result(
        "unequal_classes",
        {
            "weights": Path(weights).name,
            "settings": settings,
            "num_train": {"small": NUMS_SMALL, "large": NUM_LARGE},
            "num_val": NUM_VAL,
            "rows": rows,
            "mean": {str(balance): mean_of(rows, balance) for balance in balances},
        },
    )


def cut_classes(data: Path, out: Path, seed: int) -> list[str]:
    """Link photos into a ready-made split with unequal classes; return the small classes."""
    rng = np.random.default_rng(seed)
    breeds = sorted(folder for folder in data.iterdir() if folder.is_dir())
    order = rng.permutation(len(breeds))
    nums = dict(zip(order.tolist(), NUMS_SMALL, strict=False))
    for number, breed in enumerate(breeds):
        files = rng.permutation(sorted(map(str, breed.iterdir())))
        parts = {"val": NUM_VAL, "test": NUM_TEST, "train": nums.get(number, NUM_LARGE)}
        for part, num in parts.items():
            taken, files = files[:num], files[num:]
            folder = out / part / breed.name
            folder.mkdir(parents=True)
            for file in map(Path, taken):
                (folder / file.name).symlink_to(file.resolve())
    return [breeds[number].name.replace("_", " ") for number in nums]


def score(record: RunRecord, run: Path, small: list[str]) -> dict[str, float]:
    """Return the kept epoch's scores on the validation photos."""
    lines = (run / METRICS).read_text(encoding="utf-8").splitlines()
    assert record.outcome is not None
    names, values = lines[0].split(","), lines[record.outcome.best_epoch].split(",")
    row = dict(zip(names, map(float, values), strict=True))
    recalls = {label: row[f"val_recall_ratio of {label}"] for label in record.labels}
    return {
        "val_top1_ratio": row["val_top1_ratio"],
        "val_macro_f1_ratio": row["val_macro_f1_ratio"],
        "small_recall_ratio": statistics.mean(recalls[label] for label in small),
        "large_recall_ratio": statistics.mean(recalls[k] for k in recalls if k not in small),
    }


def mean_of(rows: list[dict[str, Any]], balance: float) -> dict[str, float]:
    """Return the mean of each score over the seeds."""
    chosen = [row for row in rows if row["balance_ratio"] == balance]
    return {
        name: statistics.mean(row[name] for row in chosen) for name in chosen[0] if "ratio" in name
    }


if __name__ == "__main__":
    main()
