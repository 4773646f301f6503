"""What do the first 100 photos of a review teach, against 100 random ones?

python -m benchmarks.review.hundred_photos ../shared/cats --work runs/review

Labels are held back: a model learns from few photos of each class, answers the others as a camera's
photos come in, and `edgecat.keep` keeps those that are worth a look. Then it learns once more, with
the true labels of 100 photos: the first that the review would show, or as many random ones of all.
Both runs are on the same split, from the same weights, and tested on the same photos.
"""

import dataclasses
import hashlib
import json
import random
import shutil
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import click

from benchmarks.results import write_result
from edgecat.export.job import export_run
from edgecat.keep.decisions import Decision, format_decision
from edgecat.keep.keeper import Keeper, Source
from edgecat.keep.kept import DECISIONS, list_kept, load_answer
from edgecat.keep.place import KeepPlace
from edgecat.photos.folder import LabelledPhoto, find_photos
from edgecat.progress import Silent
from edgecat.review.desk import Item, arrange
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.prediction import Guess, Prediction
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.outcome import OWN
from edgecat.train.recipe import Recipe
from edgecat.train.run import RunRecord

_TEST_RATIO, _VAL_RATIO = 0.3, 0.1
_TIME = "2026-11-28T00:00:00.000+00:00"


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        num_start: Photos of each class that the first model learns from.
        num_reviewed: Photos that a person gives a label.
        epochs: Of each run.
        weights: What each run starts from.
    """

    num_start: int
    num_reviewed: int
    epochs: int
    weights: str


def divide(photos: list[LabelledPhoto], data: Path, setting: Setting, seed: int) -> list[Path]:
    """Make a data set with a ready split of links; return the photos that are in none of it."""
    by_label = defaultdict(list)
    for photo in photos:
        by_label[photo.label].append(photo.path)
    rng, pool = random.Random(seed), []
    for label, paths in sorted(by_label.items()):
        rng.shuffle(paths)
        num_test, num_val = (round(ratio * len(paths)) for ratio in (_TEST_RATIO, _VAL_RATIO))
        ends = [num_test, num_test + num_val, num_test + num_val + setting.num_start]
        for split, start, end in zip(("test", "val", "train"), [0, *ends], ends, strict=False):
            for path in paths[start:end]:
                link = data / split / label / path.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
        pool += paths[ends[-1] :]
    rng.shuffle(pool)
    return pool


def keep_pool(bundle: Path, pool: list[Path], folder: Path) -> list[str]:
    """Let a model answer photos and keep those worth a look; return them in the review's order."""
    keeper = Keeper(KeepPlace(folder, 2**40), Silent())
    with Classifier.open(bundle) as classifier:
        source = Source.of(classifier)
        for path in pool:
            photo = path.read_bytes()
            sha256 = hashlib.sha256(photo).hexdigest()
            keeper.look_at(photo, sha256, classifier.predict(photo), source)
    keeper.close()
    items = [Item(photo, load_answer(photo)) for photo in list_kept(folder)]
    return [item.photo.sha256 for item in arrange(items)]


def keep_all(paths: list[Path], folder: Path) -> list[str]:
    """Keep photos whatever a model says of them; return their SHA-256."""
    keeper, hashes = Keeper(KeepPlace(folder, 2**40), Silent()), []
    unsure = Prediction("any", 0.5, (Guess("any", 0.5), Guess("other", 0.5)))
    for path in paths:
        photo = path.read_bytes()
        hashes.append(hashlib.sha256(photo).hexdigest())
        keeper.look_at(photo, hashes[-1], unsure, Source("nobody", "none"))
    keeper.close()
    return hashes


def label(folder: Path, hashes: list[str], label_of: dict[str, str]) -> None:
    """Decide on photos as a person who knows all of them would."""
    with (folder / DECISIONS).open("wb") as file:
        for sha256 in hashes:
            file.write(format_decision(Decision(sha256, "label", _TIME, label_of[sha256])))


def simulate(
    photos: list[LabelledPhoto], work: Path, setting: Setting, seed: int
) -> dict[str, Any]:
    """Return what one seed came to."""
    label_of = {hashlib.sha256(photo.read()).hexdigest(): photo.label for photo in photos}
    pool = divide(photos, work / "data", setting, seed)
    recipe = Recipe(epochs=setting.epochs)
    first = Job(work / "data", work / "first", weights=setting.weights, recipe=recipe, seed=seed)
    before = finetune(first)
    export_run(first.run, work / "bundle")
    queue = keep_pool(work / "bundle", pool, work / "chosen")
    random_paths = random.Random(seed + 1000).sample(pool, setting.num_reviewed)
    random_hashes = keep_all(random_paths, work / "random")
    label(work / "chosen", queue[: setting.num_reviewed], label_of)
    label(work / "random", random_hashes, label_of)
    row: dict[str, Any] = {
        "seed": seed,
        "num_pool": len(pool),
        "num_kept": len(queue),
        "before_top1_ratio": before.outcome.test_top1_ratio,
    }
    for name in ("chosen", "random"):
        job = dataclasses.replace(first, run=work / f"with-{name}", added=work / name)
        row[name] = describe(finetune(job), row["before_top1_ratio"])
    return row


def describe(record: RunRecord, before_top1_ratio: float) -> dict[str, Any]:
    """Return what a run with reviewed photos gained on the photos that tested before, too."""
    part = record.outcome.test_parts[OWN]
    top1_ratio = part.num_right / part.num_images
    return {
        "top1_ratio": top1_ratio,
        "gain_pp": 100 * (top1_ratio - before_top1_ratio),
        "num_photos": record.added.num_photos,
    }


@click.command()
@click.argument("cats", type=click.Path(exists=True, path_type=Path))
@click.option("--work", required=True, type=click.Path(path_type=Path), help="A folder to make.")
@click.option("--seeds", "num_seeds", default=3, show_default=True)
@click.option("--start", "num_start", default=20, show_default=True, help="Photos of a class.")
@click.option("--reviewed", "num_reviewed", default=100, show_default=True)
@click.option("--epochs", default=10, show_default=True)
@click.option("--weights", default="imagenet", show_default=True)
def main(
    cats: Path, work: Path, num_seeds: int, num_start: int, num_reviewed: int, epochs: int,
    weights: str,
) -> None:  # fmt: skip
    """Simulate a review of CATS for some seeds."""
    setting, rows = Setting(num_start, num_reviewed, epochs, weights), []
    for seed in range(num_seeds):
        shutil.rmtree(work, ignore_errors=True)
        rows.append(simulate(list(find_photos(cats)), work, setting, seed))
        print(json.dumps(rows[-1]), flush=True)
    gains = {name: mean(row[name]["gain_pp"] for row in rows) for name in ("chosen", "random")}
    values = {
        "setting": dataclasses.asdict(setting),
        "rows": rows,
        "gain_pp": gains,
        "ratio": gains["chosen"] / gains["random"] if gains["random"] > 0 else None,
    }
    print(json.dumps(gains | {"ratio": values["ratio"]}))
    write_result("hundred_photos", values)


if __name__ == "__main__":
    main()
