"""The command `edgecat tune`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import (
    NumberRange,
    allow_older_option,
    check_host_options,
    host_option,
    install_option,
    signer_option,
)
from edgecat.cli.output import TerminalProgress, escape, print_json

if TYPE_CHECKING:
    from edgecat.runtime.tuning import Tuning


@click.command("tune", short_help=COMMANDS["tune"])
@click.argument("bundle")
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=NumberRange(1, 3600),
    help="For timing; opening, self-tests and --data come on top. It ends earlier where the "
    "ratios are certain.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Labelled photos, a folder or a .zip: measure the accuracy too, and choose no variant "
    "that loses more than the bundle's budget.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="GPU|NPU|AUTO|HETERO:...",
    help="To measure on beside the CPU, where a variant's engine has it; once for each.",
)
@host_option
@install_option
@signer_option
@allow_older_option
@click.option("--json", "as_json", is_flag=True, help="Print all that was measured as JSON.")
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    seconds: float,
    data: Path | None,
    devices: tuple[str, ...],
    host: str | None,
    install: bool,
    signer: Path | None,
    allow_older: bool,
    as_json: bool,
) -> None:
    """Measure on this device which variant is fastest, and use it from now on.

    BUNDLE is a folder that 'edgecat export' wrote, or the name of a released model (cats12). Each
    variant that opens here proves itself on the golden photos; then all of them take turns, with
    one thread and with more, each in a process of its own. Chosen are as few threads as come within
    5 % of the fastest.

    The choice is kept beside the bundle (first.edgecat.tuned.json), or in your state folder where
    that is closed; the bundle stays as it is. predict, watch, serve, stream, evaluate and
    Classifier.open follow it where nobody asks for another --variant or --threads, services that
    run after a restart or SIGHUP. It holds for this bundle, this processor and these versions of
    the libraries; when one of them changes, it counts no more, and edgecat doctor says so. To
    choose by the bundle's verdicts again, remove the file.

    Let the machine do nothing else meanwhile. Ctrl-C keeps what was measured so far. A variant
    that does not ship to this kind of processor is chosen only if --data proves it; so is one on
    another device than the CPU.

    With --host it is measured on another machine, and only shown: nothing is left there.

    \b
      edgecat tune first.edgecat
      edgecat tune first.edgecat --data photos --seconds 120
      edgecat tune first.edgecat --data photos --device GPU --device NPU
      edgecat tune first.edgecat --host pi@raspberrypi --install
    """
    from edgecat.bundle.store import load_bundle
    from edgecat.runtime.tuned import keep_tuning
    from edgecat.service.signals import INTERRUPTED, Signals
    from edgecat.tune.job import TuneJob, tune

    check_host_options(host, data, install=install)
    if host is not None:
        from edgecat.remote.measure import tune_there

        load_bundle(bundle, signer=signer, allow_older=allow_older)
        options = ["--seconds", str(seconds), *(f"--device={device}" for device in devices)]
        found = tune_there(bundle, host, options, TerminalProgress(), install=install)
        _show(found, None, as_json=as_json)
        if not as_json:
            click.echo("not kept; to have it used there, run edgecat tune there", err=True)
        return
    loaded = load_bundle(bundle, signer=signer, allow_older=allow_older)
    with Signals() as signals:
        job = TuneJob(
            loaded,
            seconds,
            data,
            tuple(dict.fromkeys(("CPU", *map(str.upper, devices)))),
            is_stopping=lambda: signals.is_stopping,
        )
        tuning = tune(job, TerminalProgress())
        if tuning is None:
            click.echo("stopped before anything was measured; nothing was changed", err=True)
            context.exit(INTERRUPTED)
        path: Path | None = None
        try:
            path = keep_tuning(loaded, tuning)
        finally:  # what was measured is told, wherever it cannot be kept
            _show(tuning, path, as_json=as_json)
    if not as_json:
        click.echo(f"kept in {path}", err=True)
    context.exit(INTERRUPTED if signals.is_stopping else 0)


def _show(tuning: "Tuning", path: Path | None, *, as_json: bool) -> None:
    """Print a tuning, and where it is kept; None for nowhere."""
    from edgecat.tune.report import format_tuning

    if as_json:
        print_json({"file": path and str(path)} | dataclasses.asdict(tuning))
    else:
        click.echo(escape(format_tuning(tuning)))
