"""The command `edgecat export`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import find_given
from edgecat.cli.output import TerminalProgress
from edgecat.errors import ConfigError
from edgecat.quantize.recipe import SEARCHES
from edgecat.runtime.target import TARGETS
from edgecat.scores.compare import DEFAULT_MAX_DROP_PP
from edgecat.typed import command_line


@click.command("export", short_help=COMMANDS["export"])
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Bundle to make or replace."
)
@click.option("--int8", is_flag=True, help="Add INT8 variants, for every engine that has them.")
@click.option(
    "--max-drop",
    "max_drop_pp",
    type=float,
    default=DEFAULT_MAX_DROP_PP,
    show_default=True,
    help="Most that a model in fewer bits, such as INT8, may lose in top-1 on the validation "
    "photos, percentage points.",
)
@click.option(
    "--search",
    default="full",
    show_default=True,
    metavar="|".join(SEARCHES),
    help="With --int8: quick: a minute; full: up to ten, with distillation if nothing cheaper is "
    "proven.",
)
@click.option(
    "--targets",
    default="auto",
    show_default=True,
    help="With --int8: processors that must compute the same: some of "
    f"{','.join(TARGETS.names)}; auto: all.",
)
@click.option("--allow-drop", is_flag=True, help="With --int8: keep it even if it is over budget.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Where the run's photos are now, a folder or a .zip, if they were moved.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    run: Path,
    out: Path,
    int8: bool,
    max_drop_pp: float,
    search: str,
    targets: str,
    allow_drop: bool,
    data: Path | None,
) -> None:
    """Turn a finished run into a bundle that a device can run.

    The bundle takes uint8 photos: scaling, mean and std are inside the graph. Before it is
    written, each float model must answer 64 of the run's photos as the checkpoint does.

    Some engines also compute a model in fewer bits, a float one or what is float in an INT8 one.
    What this processor cannot compute so is imitated, if the engine's maker knows how, and measured
    like the rest; it is left out where it loses more than --max-drop, or a tensor does not fit into
    the bits.

    INT8 is made with recipes from cheap to dear. Each is tried on the run's validation photos;
    the first whose loss is surely below --max-drop is taken. What it loses on the test photos is
    reported, and each variant gets a verdict: worth running on which processors, and why not on
    the others. An INT8 model over budget is left out, and the command fails.

    An export that was killed goes on where it stopped when you start it again, and one with
    another budget tries no recipe twice: what took long is kept in RUN/cache. Remove that folder
    to measure anew.

    \b
      edgecat export runs/first --out first.edgecat --int8
      edgecat export runs/first --out first.edgecat --int8 --max-drop 0.5 --targets arm
    """
    from edgecat.export.job import export_run
    from edgecat.quantize.search import Budget

    chosen = TARGETS.names if targets == "auto" else tuple(targets.split(","))
    budget = Budget(max_drop_pp, chosen, search, allow_drop)
    if not int8 and (option := find_given(context, ("search", "targets", "allow_drop"))):
        raise ConfigError(f"{option}: says how INT8 is made; add --int8, or leave it out")
    spec = export_run(run, out, budget, int8=int8, data=data, progress=TerminalProgress())
    size_bytes = sum(record.size_bytes for record in spec.files.values())
    names = ", ".join(variant.name for variant in spec.variants)
    click.echo(f"{out}: {names} ({size_bytes / 1e6:.1f} MB)")
    click.echo(f"next: {command_line('benchmark', out)}")
