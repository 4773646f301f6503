"""20 labelled photos a class, and the others without labels: does it pay to learn from these, too?

python -m benchmarks.accuracy.unlabelled ../shared/cats --weights BACKBONE.pth

Of each seed, 15 % of a breed's photos validate, 15 % test, 20 train, and the rest lies in one
folder without labels. Three ways, with as many steps each: labels alone; a teacher that answers the
labelled photos; a teacher that answers both. Runs are kept in --work and not made again.
"""

import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.pooled import answer_split, compare_pooled, describe_gain
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.scores.answers import Answers
from edgecat.scores.metrics import wilson_interval
from edgecat.train.finetune import finetune
from edgecat.train.finished import load_checkpoint
from edgecat.train.job import TEACHER_RECIPE, Job
from edgecat.train.presets import TEACHER
from edgecat.train.recipe import load_recipe
from edgecat.train.run import load_run
from edgecat.train.timm_networks import PREFIX

NUM_LABELLED, HELD_RATIO = 20, 0.15

WAYS = ("labels", "teacher", "teacher and photos without labels")


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--teacher-weights", default="imagenet", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="runs/unlabelled")
@click.option("--seeds", default=3, show_default=True)
@click.option("--epochs", default=20, show_default=True, help="Over all photos.")
@click.option("--set", "settings", multiple=True)
def main(
    data: Path,
    weights: str,
    teacher_weights: str,
    work: Path,
    seeds: int,
    epochs: int,
    settings: tuple[str, ...],
) -> None:
    """Fine-tune in each of the three ways."""
    progress = TerminalProgress()
    runs: dict[str, list[Path]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        photos, camera = work / f"photos-{seed}", work / f"camera-{seed}"
        if not camera.exists():
            deal(data, photos, camera, seed)
        num_labelled, num_all = (count(photos / "train"), count(photos / "train") + count(camera))
        teacher = work / f"network-that-teaches-{seed}"
        train(
            Job(photos, teacher, f"{PREFIX}{TEACHER}", teacher_weights, TEACHER_RECIPE, seed=seed)
        )
        for way in WAYS:
            is_wide = way == WAYS[-1]
            num = epochs if is_wide else round(epochs * num_all / num_labelled)
            recipe = load_recipe(None, [*settings, f"epochs={num}"])
            job = Job(
                photos,
                work / f"{way}-{seed}".replace(" ", "_"),
                weights=weights,
                recipe=recipe,
                teacher=None if way == "labels" else str(teacher),
                unlabelled=camera if is_wide else None,
                seed=seed,
            )
            train(job)
            runs[way].append(job.run)
    answers = {
        way: [answer_split(load_checkpoint(run), "test", progress) for run in ones]
        for way, ones in runs.items()
    }
    write_result(
        "unlabelled",
        {
            "data": data.name,
            "num_labelled_per_class": NUM_LABELLED,
            "epochs": epochs,
            "settings": settings,
            "seeds": seeds,
            "rows": [{"way": way, **summarise(runs[way], answers[way])} for way in WAYS],
            "gains": [
                {"way": way, "to": before}
                | describe_gain(
                    compare_pooled(answers[before], [one.logits[0] for one in answers[way]])
                )
                for before, way in itertools.pairwise(WAYS)
            ],
        },
    )


def deal(data: Path, photos: Path, camera: Path, seed: int) -> None:
    """Link the photos of each breed into a ready-made split, and the rest into a folder."""
    rng = np.random.default_rng(seed)
    for breed in sorted(folder for folder in data.iterdir() if folder.is_dir()):
        files = rng.permutation(sorted(map(str, breed.iterdir())))
        held = round(HELD_RATIO * len(files))
        ends = np.cumsum([held, held, NUM_LABELLED])
        val, test, train, rest = np.split(files, ends)
        for part, chosen in (("val", val), ("test", test), ("train", train)):
            link(chosen, photos / part / breed.name)
        link(rest, camera)


def link(files: np.ndarray, folder: Path) -> None:
    """Link files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in map(Path, files):
        (folder / file.name).symlink_to(file.resolve())


def count(folder: Path) -> int:
    """Return how many photos there are below a folder."""
    return sum(path.is_file() for path in folder.rglob("*"))


def train(job: Job) -> None:
    """Fine-tune, or go on, unless that is done."""
    finetune(dataclasses.replace(job, resume=True, device="cpu"), TerminalProgress())


def summarise(runs: Iterable[Path], answers: list[Answers]) -> dict[str, Any]:
    """Return the test top-1 of all seeds, pooled."""
    right = [one.logits[0].argmax(axis=1) == one.targets for one in answers]
    pooled = np.concatenate(right)
    used = [load_run(run).unlabelled for run in runs]
    counts = ("num_learned", "num_duplicates", "num_unknown")
    return {
        "num_test": len(pooled),
        "test_top1_ratio": float(pooled.mean()),
        "test_interval_ratio": wilson_interval(int(pooled.sum()), len(pooled)),
        "test_top1_ratio_of_seeds": [float(one.mean()) for one in right],
        "unlabelled": [one and {name: getattr(one, name) for name in counts} for one in used],
    }


if __name__ == "__main__":
    main()
