"""The command `edgecat optimize`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import list_option, result_option
from edgecat.cli.output import TerminalProgress, show
from edgecat.errors import ConfigError
from edgecat.optimize.job import SPEEDUPS, SearchJob
from edgecat.scores.compare import DEFAULT_MAX_DROP_PP
from edgecat.typed import command_line


@click.command("optimize", short_help=COMMANDS["optimize"])
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the search; with the same folder it goes on, or is joined.",
)
@click.option(
    "--speedup",
    "speedups",
    multiple=True,
    type=float,
    help="How many times quicker; may be given several times, in the order in which networks "
    f"learn.  [default: {', '.join(map('{:g}'.format, SPEEDUPS))}]",
)
@click.option(
    "--target-latency-ms",
    type=float,
    help="In place of --speedup: the time of a photo, 1 thread.",
)
@click.option(
    "--plan",
    "is_plan",
    is_flag=True,
    help="Stop before any network learns: say which ones would, and how quick they are.",
)
@click.option(
    "--max-drop",
    "max_drop_pp",
    type=float,
    default=DEFAULT_MAX_DROP_PP,
    show_default=True,
    help="Most that validation top-1 may drop in the recommended network, percentage points.",
)
@click.option(
    "--budget-minutes",
    type=float,
    help="Begin no network that would end later; one is always learned. By default all of them. "
    "--export comes when all have learned, and what it takes is not counted.",
)
@click.option("--epochs", type=int, help="That each network learns; by default as many as RUN.")
@click.option(
    "--variant",
    help="What to time: a float variant that an export makes. By default that of --table or of the "
    "search in OUT, else the quickest float32 one here.",
)
@click.option(
    "--rounds",
    default=200,
    show_default=True,
    type=click.IntRange(10, 10_000),
    help="Timed photos of each network.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="What each edit saves, as edgecat edits RUN --json FILE wrote it, instead of measuring.",
)
@click.option(
    "--other-machine",
    "is_other_machine",
    is_flag=True,
    help="The table is another machine's, for which the networks are made.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Where the run's photos are now, a folder or a .zip, if they were moved.",
)
@list_option
@click.option(
    "--skip-broken",
    is_flag=True,
    help="Leave broken photos out, as the run did, instead of refusing.",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    help="The run of who teaches, if not the teacher of RUN.",
)
@click.option(
    "--unlabelled",
    type=click.Path(path_type=Path),
    help="Where the run's photos without labels are now, if they were moved.",
)
@click.option(
    "--export",
    "exports",
    is_flag=True,
    help="In the end export the best networks, with int8, and compare all their variants.",
)
@result_option
def command(
    speedups: tuple[float, ...],
    is_plan: bool,
    file: Path | None,
    **asked: Any,  # what a job calls by the same names
) -> None:
    """Find quicker networks for this machine, and let them learn on.

    RUN is what "edgecat finetune" made. Its network is changed by edits, which take operators out
    ("edgecat help optimize" lists them). First each edit is tried alone: what it saves, in the
    engine that is the quickest on this machine, and what it costs: how far the network's answers to
    validation photos are from those before. Then, for each speedup, the edits that reach it and
    together cost the least are made; that network is timed, and learns on as "edgecat finetune
    --from RUN" would: by the same recipe, from the same teacher.

    The end is a table of accuracy against time, OUT/front.json and OUT/front.svg. Recommended is
    the quickest network that lost at most --max-drop. Test photos choose nothing. With --export the
    networks that nothing beats are exported, with int8, and each variant is a row of the table.

    A search that was stopped, in whatever way, goes on with the same command; more --speedup or
    another --budget-minutes may be added. Let the machine do nothing else while it times.

    The same command in a second terminal, or on another machine with OUT on a shared disk, joins:
    each network is learned by one of them, and taken over from one that is killed.

    To find networks for another machine, such as a Raspberry Pi, measure there what edits save,
    with edgecat edits RUN --json pi.json, and give that table.

    \b
      edgecat optimize runs/good --out lean --plan               what would learn, in minutes
      edgecat optimize runs/good --out lean                      five networks
      edgecat optimize runs/good --out lean --speedup 2 --max-drop 0.5
      edgecat optimize runs/good --out lean --budget-minutes 60
      edgecat optimize runs/good --out lean --export             which engine, and int8 or not
      edgecat optimize runs/good --out pi --table pi.json --other-machine
      edgecat export lean/x2.00 --out lean.edgecat
    """
    if speedups and asked["target_latency_ms"] is not None:
        raise ConfigError("--speedup and --target-latency-ms: one of the two is enough")
    job = SearchJob(speedups=speedups or SPEEDUPS, **asked)
    try:
        if is_plan:
            _plan(job, file)
        else:
            _optimize(job, file)
    except KeyboardInterrupt as interrupt:
        click.echo(f"\n{job.out} is kept: go on with the same command", err=True)
        raise click.Abort from interrupt


def _plan(job: SearchJob, file: Path | None) -> None:
    from edgecat.optimize.plan import describe_plan, open_search, plan_search

    progress = TerminalProgress()
    with open_search(job, progress) as parent:
        plan = plan_search(job, parent, progress)
    chosen = [dataclasses.asdict(one) for one in plan.candidates]
    show(chosen, "\n".join(describe_plan(plan)), file)
    click.echo("next: the same command without --plan", err=True)


def _optimize(job: SearchJob, file: Path | None) -> None:
    from edgecat.optimize.front import describe_front
    from edgecat.optimize.search import optimize

    front = optimize(job, TerminalProgress())
    show(dataclasses.asdict(front), "\n".join(describe_front(front)), file)
    click.echo(f"look at {job.out / 'front.svg'}", err=True)
    if front.recommended is not None:
        click.echo(f"next: {_name_next(job, front.recommended.name)}", err=True)


def _name_next(job: SearchJob, network: str) -> str:
    if (bundle := job.bundle_of(network)).exists():
        return command_line("benchmark", bundle)
    return command_line("export", job.run_of(network), "--out", f"{network}.edgecat", "--int8")
