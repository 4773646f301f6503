"""What do lean networks cost in accuracy, and what do they save in time?

python -m benchmarks.optimize.lean_cats ../shared/cats --work runs/good

Of each run in --work that `accuracy/finetune_cats --preset good` made, lean networks are made and
learn on; each and its parent answer the same test photos, which chose nothing. A run in
--work/lean that is finished is not made again. Time is that of a parent's network with the edits,
in turns with it as it is, one thread.
"""

import dataclasses
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.export.photos import RunPhotos
from edgecat.optimize.savings import measure_saving
from edgecat.optimize.timing import Stopwatch, find_product
from edgecat.scores.answers import Answers
from edgecat.scores.compare import compare_accuracy
from edgecat.scores.metrics import Indices, Logits
from edgecat.train.finetune import finetune
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.job import Job
from edgecat.train.parent import inherit, inherit_recipe
from edgecat.train.run import RECORD, load_run

#: Edits, and for how many epochs a network learns on with them; by name. The gates of blocks 1 and
#: 4 say the same of every photo that was asked (`gates.py`).
LEAN = {
    "first": (("no-se", "no-hidden-head"), 30),
    "small": (("no-se:1,4,7", "side:176"), 30),
}

_VARIANTS = ("onnxruntime-fp32", "openvino-fp32", "openvino-bf16")


def learn(data: Path, parent: Path, run: Path, edits: tuple[str, ...], epochs: int) -> None:
    """Make a lean run, or go on with one."""
    if (run / RECORD).exists() and load_run(run).outcome is not None:
        return
    recipe = dataclasses.replace(inherit_recipe(load_run(parent)), epochs=epochs, patience=epochs)
    finetune(inherit(Job(data, run, recipe=recipe, resume=True), parent, edits), TerminalProgress())


def answer_test_photos(data: Path, checkpoint: Checkpoint) -> Answers:
    """Return what a run answers to its test photos, in the order of its split."""
    photos = RunPhotos(checkpoint.split, data, checkpoint.network.input, TerminalProgress())
    return photos.answers("test", checkpoint.split.labels(), [checkpoint.answer])


def compare(data: Path, parent: Path, run: Path) -> tuple[Logits, Logits, Indices]:
    """Return what a run's parent and the run answer to their test photos, and what is right."""
    before, after = (answer_test_photos(data, load_checkpoint(one)) for one in (parent, run))
    return before.logits[0], after.logits[0], before.targets


def measure_ratios(parent: Checkpoint, edits: tuple[str, ...], rounds: int) -> dict[str, Any]:
    """Return a lean network's time by that of the whole one, by variant."""
    ratios = {}
    for variant in _VARIANTS:
        product = find_product(variant)
        stopwatch = Stopwatch(parent.record.arch, product, rounds, parent.network)
        ratios[variant] = dataclasses.asdict(measure_saving(stopwatch, edits))
    return ratios


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default="runs/good", show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--rounds", default=400, show_default=True, help="Timed photos of each network.")
@click.option("--only", multiple=True, help="Of LEAN, by name; may be given several times.")
def main(data: Path, work: Path, seeds: int, rounds: int, only: tuple[str, ...]) -> None:
    """Make all lean networks, and compare each with its parent."""
    rows = []
    for name in only or LEAN:
        edits, epochs = LEAN[name]
        runs = {work / f"seed{n}": work / "lean" / f"{name}-seed{n}" for n in range(seeds)}
        for parent, run in runs.items():
            learn(data, parent, run, edits, epochs)
        answers = [compare(data, parent, run) for parent, run in runs.items()]
        pooled = compare_accuracy(*map(np.concatenate, zip(*answers, strict=True)))
        rows.append(
            {
                "name": name,
                "edits": edits,
                "epochs": epochs,
                "seeds": [dataclasses.asdict(compare_accuracy(*one)) for one in answers],
                "edited_val_top1_ratio": [load_run(r).edited_val_top1_ratio for r in runs.values()],
                "pooled": dataclasses.asdict(pooled),
                "times": measure_ratios(load_checkpoint(work / "seed0"), edits, rounds),
            }
        )
        print(f"{name}: {pooled.drop_pp:+.2f} pp {pooled.drop_interval_pp}, {rows[-1]['times']}")
    write_result("lean_cats", {"rows": rows})


if __name__ == "__main__":
    main()
