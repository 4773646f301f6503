"""The command `edgecat benchmark`."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import (
    NumberRange,
    check_host_options,
    find_given,
    host_option,
    install_option,
    result_option,
)
from edgecat.cli.output import TerminalProgress, show
from edgecat.errors import ConfigError


@click.command("benchmark", short_help=COMMANDS["benchmark"])
@click.argument("bundle")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Labelled photos, a folder or a .zip: measure the accuracy too, and how long decode, "
    "preprocess, infer and postprocess take.",
)
@click.option("--threads", default=1, show_default=True, help="To compute with.")
@click.option(
    "--device",
    default="CPU",
    show_default=True,
    metavar="CPU|GPU|NPU|AUTO|HETERO:...",
    help="To compute on; variants whose engine does not have it are not run.",
)
@click.option(
    "--rounds",
    default=240,
    show_default=True,
    type=click.IntRange(10),
    help="Timed photos of each variant, at least: so many in twelve openings of it.",
)
@click.option(
    "--margin",
    "margin_percent",
    type=NumberRange(0.1, 50),
    metavar="PERCENT",
    help="Go on until every ratio to the first variant is known within so many percent (95 % "
    "interval).",
)
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=NumberRange(1, 3600),
    help="With --margin: end then at the latest.",
)
@click.option(
    "--minutes",
    type=NumberRange(0.05, 1440),
    help="Instead: let all variants answer without a pause for so long, and show how latency, "
    "clock and heat change.",
)
@host_option
@install_option
@result_option
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    data: Path | None,
    threads: int,
    device: str,
    rounds: int,
    margin_percent: float | None,
    seconds: float,
    minutes: float | None,
    host: str | None,
    install: bool,
    file: Path | None,
) -> None:
    """Measure latency, throughput, cold start, memory and size of all variants of a bundle.

    All variants take turns (A B C A B C ...), so that a machine's drift hits all of them alike,
    and are opened anew again and again, since where a model lies in memory changes its time:
    trust the ratios ("to fp32") more than the milliseconds. "runs in" is what the engine itself
    reports to compute in, not what was asked for. "noise" says which differences are too small to
    be told apart in this run, and what may be to blame; edgecat compare compares two results.

    With --host the bundle goes to a folder of its own on another machine, is measured there, and
    the result comes back; nothing is left there, also after Ctrl-C or when the connection breaks.

    With --minutes it shows whether the machine holds its speed: the first minute against the last,
    and clock, temperature and a Raspberry Pi's warnings meanwhile.

    Ctrl-C while single photos are timed ("batch 1", or --minutes) keeps what was measured.

    \b
      edgecat benchmark first.edgecat --data photos --json before.json
      edgecat benchmark first.edgecat --margin 1 --seconds 300
      edgecat benchmark first.edgecat --device GPU
      edgecat benchmark first.edgecat --minutes 10 --threads 4
      edgecat benchmark first.edgecat --host pi@raspberrypi --install --json pi.json
    """
    from edgecat.bench.effort import Effort
    from edgecat.bench.report import format_report
    from edgecat.bench.run import run_benchmark
    from edgecat.runtime.device import Resources
    from edgecat.service.signals import INTERRUPTED

    check_host_options(host, data, install=install)
    if minutes is not None:
        _check_minutes(context)
        context.exit(_sustain(bundle, minutes, threads, device, host, install, file))
    if host is not None:
        from edgecat.remote.measure import benchmark_there

        options = ["--threads", str(threads), "--device", device, "--rounds", str(rounds)]
        if margin_percent is not None:
            options += ["--margin", str(margin_percent), "--seconds", str(seconds)]
        report = benchmark_there(bundle, host, options, TerminalProgress(), install=install)
    else:
        report = run_benchmark(
            bundle,
            data=data,
            resources=Resources(threads, device=device.upper()),
            effort=Effort(rounds, (margin_percent or 0) / 100, seconds),
            progress=TerminalProgress(),
            stopping=_stopping_by_signal(),
        )
    show(report.to_dict(), format_report(report), file)
    context.exit(INTERRUPTED if report.is_partial else 0)


@contextlib.contextmanager
def _stopping_by_signal() -> Iterator[Callable[[], bool]]:
    """Give, for a block, whether a signal asked for the end."""
    from edgecat.service.signals import Signals

    with Signals() as signals:
        yield lambda: signals.is_stopping


def _check_minutes(context: click.Context) -> None:
    """Refuse what a sustained run has no use for.

    Raises:
        ConfigError: Another option that says what to measure, or how long.
    """
    if option := find_given(context, ("data", "rounds", "margin_percent", "seconds")):
        raise ConfigError(
            f"--minutes with {option}: a sustained run times single photos until its time is up; "
            f"leave {option} out, or measure it in a run of its own"
        )


def _sustain(
    bundle: str,
    minutes: float,
    threads: int,
    device: str,
    host: str | None,
    install: bool,
    file: Path | None,
) -> int:
    """Measure a sustained run, here or there, and show it; return the exit code."""
    from edgecat.bench.sustained import run_sustained
    from edgecat.bench.sustained_text import format_sustained
    from edgecat.runtime.device import Resources
    from edgecat.service.signals import INTERRUPTED, Signals

    if host is not None:
        from edgecat.remote.measure import sustain_there

        options = ["--threads", str(threads), "--device", device, "--minutes", str(minutes)]
        found = sustain_there(bundle, host, options, TerminalProgress(), install=install)
        show(found.to_dict(), format_sustained(found), file)
        return 0
    resources = Resources(threads, device=device.upper())
    with Signals() as signals:
        here = run_sustained(
            bundle, 60 * minutes, resources, TerminalProgress(), lambda: signals.is_stopping
        )
        if here is None:
            click.echo("stopped before anything was measured", err=True)
            return INTERRUPTED
        show(here.to_dict(), format_sustained(here), file)
    return INTERRUPTED if here.is_partial else 0
