"""What makes a fine-tuned network better? One thing changed at a time, on validation photos only.

python -m benchmarks.accuracy.recipe ../shared/cats --weights BACKBONE.pth --work runs/recipe

Of a preset (--preset fast: of the one without a teacher). Every variant is trained on the same
seeds; its answers to the validation photos of all seeds are compared with those of the first one,
photo by photo. What does not pay by more than the paired interval is not in a preset. Fewer
--epochs screen many changes in the time of few; what seems to pay is asked again without. Runs are
kept in --work and not made again, so that a killed benchmark goes on, and seeds can be added.
"""

import dataclasses
from pathlib import Path
from typing import Any

import click

from benchmarks.pooled import answer_split, compare_pooled, describe_gain
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.scores.answers import Answers
from edgecat.train.finetune import finetune
from edgecat.train.finished import load_checkpoint
from edgecat.train.job import TEACHER_RECIPE, Job
from edgecat.train.presets import PRESETS, TEACHER
from edgecat.train.recipe import load_recipe
from edgecat.train.run import load_run
from edgecat.train.timm_networks import PREFIX

LABELS_ONLY = "labels only"

#: By preset, what differs from the first one.
VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "fast": {
        "as it is": (),
        "crops of 192 px": ("crop_side_px=192",),
        "crops of 192 px, 13 epochs": ("crop_side_px=192", "epochs=13"),
        "crops of 160 px, 18 epochs": ("crop_side_px=160", "epochs=18"),
        "backbone as fast as the head": ("backbone_rate=1e-3",),
        "crops from 25 % of the area": ("crop_scale_min=0.25",),
    },
    "good": {
        "teacher": (),
        LABELS_ONLY: (),
        "labels and teacher, half and half": ("teacher_ratio=0.5",),
        "temperature 1": ("temperature=1.0",),
        "temperature 4": ("temperature=4.0",),
        "8 views": ("num_views=8",),
        "30 views": ("num_views=30",),
        "90 epochs": ("epochs=90",),
        "crops of 160 px": ("crop_side_px=160",),
        "crops from 10 % of the area": ("crop_scale_min=0.1",),
        "crops from 50 % of the area": ("crop_scale_min=0.5",),
        "no change of light": ("colour_jitter=0.0",),
        "backbone half as fast as the head": ("backbone_rate=5e-4",),
        "twice the rates": ("rate=2e-3", "backbone_rate=2e-3"),
        "longer average": ("ema_decay=0.995",),
        "no average": ("ema_decay=0.0",),
    },
}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--teacher-weights", default="imagenet", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="runs/recipe", show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--epochs", type=int, help="Of all but the teachers; default: the preset's.")
@click.option("--preset", type=click.Choice(tuple(VARIANTS)), default="good", show_default=True)
@click.option("--variant", "names", multiple=True, help="Of the preset's; default: all.")
def main(
    data: Path,
    weights: str,
    teacher_weights: str,
    work: Path,
    seeds: int,
    epochs: int | None,
    preset: str,
    names: tuple[str, ...],
) -> None:
    """Fine-tune every variant with every seed."""
    for name in names:
        if name not in VARIANTS[preset]:
            accepted = ", ".join(VARIANTS[preset])
            raise click.BadParameter(f"{name}: preset {preset} has {accepted}")
    fewer = (f"epochs={epochs}",) if epochs else ()
    runs: dict[str, list[Path]] = {}
    for seed in range(seeds):
        teacher = work / f"{TEACHER}-{seed}"
        if PRESETS[preset].teacher:
            arch = f"{PREFIX}{TEACHER}"
            train(Job(data, teacher, arch, teacher_weights, TEACHER_RECIPE, seed=seed))
        for name in names or VARIANTS[preset]:
            run = work / f"{name}-{seed}".replace(" ", "_").replace("%", "percent")
            recipe = load_recipe(None, [*fewer, *VARIANTS[preset][name]], preset=preset)
            by = str(teacher) if PRESETS[preset].teacher and name != LABELS_ONLY else None
            train(Job(data, run, weights=weights, recipe=recipe, teacher=by, seed=seed))
            runs.setdefault(name, []).append(run)
    answers = {
        name: [answer_split(load_checkpoint(run), "val", TerminalProgress(), data) for run in ones]
        for name, ones in runs.items()
    }
    result = "recipe" if preset == "good" else f"recipe_{preset}"
    write_result(
        f"{result}_{epochs}_epochs" if epochs else result,
        {
            "data": data.name,
            "preset": preset,
            "seeds": seeds,
            "epochs": epochs,
            "rows": [
                {
                    **compare(name, answers),
                    "settings": VARIANTS[preset][name],
                    "runs": [describe_run(run) for run in runs[name]],
                }
                for name in answers
            ],
        },
    )


def train(job: Job) -> None:
    """Fine-tune, or go on, unless that is done."""
    finetune(dataclasses.replace(job, resume=True, device="cpu"), TerminalProgress())


def compare(name: str, answers: dict[str, list[Answers]]) -> dict[str, Any]:
    """Return a variant's validation top-1, and its paired difference from the first one."""
    base = next(iter(answers.values()))
    change = compare_pooled(base, [one.logits[0] for one in answers[name]])
    return {
        "variant": name,
        "num_images": change.num_images,
        "val_top1_ratio": change.top1_ratio,
        **describe_gain(change),
    }


def describe_run(run: Path) -> dict[str, Any]:
    """Return what a finished run scored and took."""
    outcome = load_run(run).outcome
    assert outcome is not None
    return {
        "val_top1_ratio": outcome.val_top1_ratio,
        "test_top1_ratio": outcome.test_top1_ratio,
        "duration_s": outcome.duration_s,
    }


if __name__ == "__main__":
    main()
