"""How much of a photo shall a network see? Validation photos only.

python -m benchmarks.accuracy.shorter_sides RUN0 RUN1 RUN2 --data ../shared/cats

A photo is scaled so that its shorter side has some pixels, and the network sees the middle of that:
the more pixels, the less of the photo, and the larger what is there. Finished runs of several seeds
answer the same photos in each size; answers are compared with those in the size that they take now.
What is right depends on how large things were in training's crops: Touvron et al., "Fixing the
train-test resolution discrepancy" (2019).
"""

import dataclasses
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.answers import ANSWERS
from benchmarks.pooled import answer_split, compare_pooled, describe_gain
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.scores.answers import Answers
from edgecat.scores.metrics import softmax
from edgecat.train.finished import Checkpoint, load_checkpoint

# By the side of what a network sees: at 224 px, from nothing left out to less than half.
_RATIOS = tuple(pixels / 224 for pixels in (224, 232, 240, 248, 256, 264, 272, 288, 320))


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True)
def main(runs: tuple[Path, ...], data: Path) -> None:
    """Let RUNS answer their validation photos in several sizes."""
    checkpoints = [load_checkpoint(run) for run in runs]
    now = [ask(one, one.record.input.shorter_side_px, data) for one in checkpoints]
    rows = []
    for ratio in _RATIOS:
        sides_px = [round(ratio * one.record.input.side_px) for one in checkpoints]
        found = [ask(*pair, data) for pair in zip(checkpoints, sides_px, strict=True)]
        rows.append(
            {"shorter_side_px": sides_px[0], "log_loss_nats": log_loss_nats(found)}
            | compare(now, found)
        )
    first = checkpoints[0].record
    result = {
        "data": data.name,
        "arch": first.arch,
        "seeds": len(runs),
        "shorter_side_px": first.input.shorter_side_px,
        "side_px": first.input.side_px,
        "rows": rows,
    }
    click.echo(ANSWERS["shorter_sides"](result))
    write_result("shorter_sides", result)


def ask(checkpoint: Checkpoint, shorter_side_px: int, data: Path) -> Answers:
    """Return what a run's network answers to its validation photos in a size."""
    record = checkpoint.record
    spec = dataclasses.replace(record.input, shorter_side_px=shorter_side_px)
    sized = dataclasses.replace(checkpoint, record=dataclasses.replace(record, input=spec))
    return answer_split(sized, "val", TerminalProgress(), data)


def compare(now: list[Answers], found: list[Answers]) -> dict[str, Any]:
    """Return how right answers are, and how much more than now."""
    change = compare_pooled(now, [one.logits[0] for one in found])
    return {
        "num_images": change.num_images,
        "val_top1_ratio": change.top1_ratio,
        **describe_gain(change),
    }


def log_loss_nats(found: list[Answers]) -> float:
    """Return the mean over photos of the negative logarithm of the right class's probability."""
    right = [softmax(one.logits[0])[np.arange(len(one.targets)), one.targets] for one in found]
    return float(-np.log(np.concatenate(right)).mean())


if __name__ == "__main__":
    main()
