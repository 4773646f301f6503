"""How much of a photo shall a network see? Validation photos only.

python -m benchmarks.accuracy.shorter_sides RUN0 RUN1 RUN2 --data ../shared/cats
python -m benchmarks.accuracy.shorter_sides ... --name shorter_sides_fast

A photo is scaled so that its shorter side has some pixels, and the network sees the middle of that:
the more pixels, the less of the photo, and the larger what is there. Finished runs of several seeds
answer the same photos in each size; answers are compared with those in torchvision's.
What is right depends on how large things were in training's crops: Touvron et al., "Fixing the
train-test resolution discrepancy" (2019). And on how sharp: photos of ../shared/cats have 256 px
and are scaled, so blurred, in all sizes but that one, as training's crops of them are. A network
that sees 128 px, of larger photos (`larger_photos`), knows the first alone.
"""

import dataclasses
from pathlib import Path

import click

from benchmarks.answers import ANSWERS
from benchmarks.pooled import answer_split, compare_losses
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.photos.input import IMAGENET
from edgecat.scores.answers import Answers
from edgecat.train.finished import Checkpoint, load_checkpoint

# Of a network that sees 224 px: torchvision's, and others, from nothing left out to less than half.
_USUAL_PX = 256
_SHORTER_SIDES_PX = (224, 240, 248, 252, 260, 264, 272, 280, 288, 304)


@click.command()
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--name", default="shorter_sides", show_default=True, help="Of the result.")
def main(runs: tuple[Path, ...], data: Path, name: str) -> None:
    """Let RUNS answer their validation photos in several sizes."""
    checkpoints = [load_checkpoint(run) for run in runs]
    usual = [ask(one, _USUAL_PX, data) for one in checkpoints]
    rows = []
    for shorter_side_px in _SHORTER_SIDES_PX:
        found = [ask(one, shorter_side_px, data) for one in checkpoints]
        rows.append({"shorter_side_px": shorter_side_px, **compare_losses(usual, found)})
    result = {
        "data": data.name,
        "arch": checkpoints[0].record.arch,
        "epochs": checkpoints[0].record.recipe.epochs,
        "seeds": len(runs),
        "trained_shorter_side_px": checkpoints[0].record.input.shorter_side_px,
        "usual_px": _USUAL_PX,
        "rows": rows,
    }
    click.echo(ANSWERS["shorter_sides"](result))
    write_result(name, result)


def ask(checkpoint: Checkpoint, shorter_side_px: int, data: Path) -> Answers:
    """Return what a run's network answers to its validation photos in a size.

    Args:
        checkpoint: Of the run.
        shorter_side_px: Of a network that sees 224 px; another's keeps its proportion.
        data: Where its photos are.
    """
    record = checkpoint.record
    own_px = round(shorter_side_px * record.input.side_px / IMAGENET.side_px)
    spec = dataclasses.replace(record.input, shorter_side_px=own_px)
    sized = dataclasses.replace(checkpoint, record=dataclasses.replace(record, input=spec))
    return answer_split(sized, "val", TerminalProgress(), data)


if __name__ == "__main__":
    main()
