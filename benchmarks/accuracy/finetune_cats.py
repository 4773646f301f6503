"""Fine-tune on real cats, several seeds; write what it took and what came out.

python -m benchmarks.accuracy.finetune_cats ../shared/cats --weights BACKBONE.pth --work runs
python -m benchmarks.accuracy.finetune_cats ... --preset good --work runs/good --name finetune_good

Runs are kept in --work and not made again; on a machine with CUDA, --device cuda. The three runs
of finetune_cats_cpu.json shared the machine with other work, so their seconds mean little; one run
with the machine to itself is finetune_time_cpu.json (--seeds 1 --name finetune_time_cpu).
"""

import dataclasses
from pathlib import Path

import click

from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.presets import FAST, PRESETS
from edgecat.train.recipe import load_recipe
from edgecat.train.run import load_run


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="runs", show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--preset", type=click.Choice(tuple(PRESETS)), default=FAST, show_default=True)
@click.option("--teacher-weights", default="imagenet", show_default=True)
@click.option("--set", "settings", multiple=True)
@click.option("--name", help="Of the result; default: finetune_cats_<device>.")
def main(
    data: Path,
    weights: str,
    work: Path,
    seeds: int,
    device: str,
    preset: str,
    teacher_weights: str,
    settings: tuple[str, ...],
    name: str | None,
) -> None:
    """Fine-tune mobilenet_v3_small with a preset's recipe."""
    rows = []
    for seed in range(seeds):
        run = work / f"seed{seed}"
        job = Job(
            data,
            run,
            weights=weights,
            recipe=load_recipe(None, settings, preset=preset),
            teacher=PRESETS[preset].teacher,
            teacher_weights=teacher_weights,
            seed=seed,
            device=device,
            resume=True,
        )
        finetune(job, TerminalProgress())
        record = load_run(run)
        if record.outcome is None:
            raise click.ClickException(f"{run} did not finish")
        teacher = dataclasses.asdict(record.teacher) if record.teacher else None
        if teacher:
            teacher["weights"] = Path(teacher["weights"]).name
        rows.append({"seed": seed, "teacher": teacher} | dataclasses.asdict(record.outcome))
    mean = sum(row["test_top1_ratio"] for row in rows) / len(rows)
    write_result(
        name or f"finetune_cats_{device.partition(':')[0]}",
        {
            "arch": record.arch,
            "preset": preset,
            "weights": Path(weights).name,
            "device": record.device,
            "versions": record.versions,
            "num_photos": record.num_photos,
            "recipe": dataclasses.asdict(record.recipe),
            "rows": rows,
            "mean_test_top1_ratio": mean,
            "median_duration_s": sorted(row["duration_s"] for row in rows)[len(rows) // 2],
        },
    )


if __name__ == "__main__":
    main()
