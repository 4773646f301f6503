"""The command `edgecat benchmark`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import check_host_options, host_option, install_option
from edgecat.cli.output import TerminalProgress, escape, print_json
from edgecat.errors import ConfigError
from edgecat.strict import to_json


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
    default=200,
    show_default=True,
    type=click.IntRange(10),
    help="Timed photos of each variant; with --margin, at least.",
)
@click.option(
    "--margin",
    "margin_percent",
    type=click.FloatRange(0.1, 50),
    metavar="PERCENT",
    help="Go on until every ratio is known within so many percent (95 % interval).",
)
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="With --margin: end then at the latest.",
)
@host_option
@install_option
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Write the result to a file (- for standard output).",
)
def command(
    bundle: str,
    data: Path | None,
    threads: int,
    device: str,
    rounds: int,
    margin_percent: float | None,
    seconds: float,
    host: str | None,
    install: bool,
    file: Path | None,
) -> None:
    """Measure latency, throughput, cold start, memory and size of all variants of a bundle.

    All variants take turns (A B C A B C ...), so that a machine's drift hits all of them alike:
    trust the ratios ("to fp32") more than the milliseconds. "runs in" is what the engine itself
    reports to compute in, not what was asked for. "noise" says which differences are too small to
    be told apart in this run, and what may be to blame; edgecat compare compares two results.

    With --host the bundle goes to a folder of its own on another machine, is measured there, and
    the result comes back; nothing is left there, also after Ctrl-C or when the connection breaks.

    \b
      edgecat benchmark first.edgecat --data photos --json before.json
      edgecat benchmark first.edgecat --margin 1 --seconds 300
      edgecat benchmark first.edgecat --device GPU
      edgecat benchmark first.edgecat --host pi@raspberrypi --install --json pi.json
    """
    from edgecat import atomic
    from edgecat.bench.report import format_report
    from edgecat.bench.run import Certainty, run_benchmark
    from edgecat.runtime.device import Resources

    if file is not None and not file.parent.is_dir():
        raise ConfigError(f"--json {file}: there is no folder {file.parent}; make it first")
    check_host_options(host, data, install=install)
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
            num_rounds=rounds,
            certainty=None if margin_percent is None else Certainty(margin_percent / 100, seconds),
            progress=TerminalProgress(),
        )
    if file == Path("-"):
        print_json(report.to_dict())
        return
    if file is not None:
        atomic.write_text(file, to_json(report.to_dict(), indent=1) + "\n")
    click.echo(escape(format_report(report)))
