"""What `edgecat finetune` does around a job: what a parent says, Ctrl-C, and what is told."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecat.cli.options import find_given
from edgecat.cli.output import TerminalProgress
from edgecat.errors import ConfigError
from edgecat.typed import command_line

if TYPE_CHECKING:
    from edgecat.train.job import Job
    from edgecat.train.recipe import Recipe
    from edgecat.train.run import RunRecord


def run_job(job: "Job", progress: TerminalProgress, *, is_first: bool) -> "RunRecord":
    """Fine-tune; on Ctrl-C tell how to go on.

    Raises:
        click.Abort: Ctrl-C.
    """
    from edgecat.train.finetune import finetune
    from edgecat.train.run import CHECKPOINT, TEACHER

    try:
        return finetune(job, progress)
    except KeyboardInterrupt as interrupt:
        folders = (job.run, job.run / TEACHER)
        is_begun = is_first and any((folder / CHECKPOINT).exists() for folder in folders)
        hint = f"\n{job.run} is kept: go on with the same command and --resume"
        click.echo(hint if is_begun else "", err=True)
        raise click.Abort from interrupt


# What a run that another one starts from says already.
_INHERITED = ("arch", "weights", "init", "preset", "seed", "conflicts")


def inherit_recipe(
    context: click.Context, parent: Path | None, edits: tuple[str, ...]
) -> "Recipe | None":
    """Return the recipe of the run to start from, if it is one; refuse options that the run says.

    Raises:
        ConfigError: Such an option, or edits of nothing.
        TrainError: There is no run.
    """
    from edgecat.train import parent as parents
    from edgecat.train.run import load_run

    if parent is None:
        if edits:
            raise ConfigError(
                f"--edit {edits[0]}: of which network? Add --from RUN, the folder of a finished "
                "run: an edit costs little accuracy on a trained network only"
            )
        return None
    if option := find_given(context, _INHERITED):
        raise ConfigError(f"{option} with --from {parent}: that run says it; leave it out")
    return parents.inherit_recipe(load_run(parent), edits)


def describe_end(record: "RunRecord", run: Path) -> list[str]:
    """Return the lines that tell what came out, and what to do next."""
    from edgecat.train.parent import describe_scores
    from edgecat.train.run import describe_outcome

    return [
        *describe_scores(record),
        *(describe_outcome(record.outcome) if record.outcome is not None else []),
        f"look at {run / 'curves.png'} and {run / 'confusion.png'}",
        f"next: {command_line('export', run, '--out', f'{run.name}.edgecat', '--int8')}",
    ]
