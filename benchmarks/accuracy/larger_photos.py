"""Does it pay to cut training's random crops out of larger photos than a network sees?

python -m benchmarks.accuracy.larger_photos ../shared/cats --weights BACKBONE.pth --work runs/larger

Most random crops are scaled up, if they are cut out of what a network sees of a photo; a camera's
photos have more pixels. Those of ../shared/cats have not, for a network that sees 224 px: so here
one sees 128 px. Photos are kept as large as it sees them, or larger, at most as they are; runs of
several seeds answer their validation photos, which all see alike. Runs are not made again.
"""

from pathlib import Path

import click

from benchmarks.answers import ANSWERS
from benchmarks.pooled import answer_split, compare_losses
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.train import cache
from edgecat.train.edit import join_name
from edgecat.train.finetune import finetune
from edgecat.train.finished import load_checkpoint
from edgecat.train.job import Job
from edgecat.train.recipe import load_recipe

_ARCH = join_name("mobilenet_v3_small", ("side:128",))
_RATIOS = (1.0, 1.5, 1.7)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="runs/larger", show_default=True)
@click.option("--seeds", default=3, show_default=True)
def main(data: Path, weights: str, work: Path, seeds: int) -> None:
    """Fine-tune with photos of several sizes, and ask what each has learned."""
    progress = TerminalProgress()
    answers = {}
    for ratio in _RATIOS:  # the control first
        cache.MOST_RATIO = ratio
        runs = [work / f"{ratio:g}x-{seed}" for seed in range(seeds)]
        for seed, run in enumerate(runs):
            finetune(Job(data, run, _ARCH, weights, seed=seed, resume=True, device="cpu"), progress)
        answers[ratio] = [answer_split(load_checkpoint(run), "val", progress, data) for run in runs]
    control = answers[_RATIOS[0]]
    rows = [{"ratio": ratio, **compare_losses(control, ones)} for ratio, ones in answers.items()]
    epochs = load_recipe().epochs
    result = {"data": data.name, "arch": _ARCH, "epochs": epochs, "seeds": seeds, "rows": rows}
    click.echo(ANSWERS["larger_photos"](result))
    write_result("larger_photos", result)


if __name__ == "__main__":
    main()
