"""The command `edgecat edits`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import result_option
from edgecat.cli.output import TerminalProgress, show

if TYPE_CHECKING:
    from edgecat.optimize.savings import Savings


@click.command("edits", short_help=COMMANDS["edits"])
@click.argument("network", metavar="RUN|NETWORK")
@click.option(
    "--variant",
    help="What to time: a float variant that an export makes. By default the "
    "quickest float32 one here.",
)
@click.option(
    "--rounds",
    default=50,
    show_default=True,
    type=click.IntRange(10, 10_000),
    help="Timed photos of each edited network.",
)
@result_option
def command(network: str, variant: str | None, rounds: int, file: Path | None) -> None:
    """Measure which edits of a network make it quicker on this machine.

    An edit takes operators out of a network that has learned: see "edgecat help optimize". Each
    is tried alone, in turns with the network as it is; nothing is trained. The ratio is the time
    with the edit by the time without it, with its 95 % interval. It takes minutes, in which the
    machine should do nothing else.

    Give a run where there is one: its weights are timed, and a gate that they hold still costs no
    time in an export, so that an edit saves none there. A network's name has random weights.

    \b
      edgecat edits runs/good
      edgecat edits mobilenet_v3_small --rounds 200 --json savings.json
      edgecat finetune photos --out runs/lean --from runs/good --edit no-se
    """
    from edgecat.optimize.savings import measure_savings
    from edgecat.optimize.space import list_edits
    from edgecat.optimize.table import open_stopwatch
    from edgecat.train.finished import load_checkpoint

    given = load_checkpoint(Path(network)) if Path(network).is_dir() else network
    progress = TerminalProgress()
    stopwatch = open_stopwatch(given, variant, rounds, progress)
    savings = measure_savings(stopwatch, list_edits(stopwatch.arch), progress)
    show(dataclasses.asdict(savings), "\n".join(_describe(savings)), file)


def _describe(savings: "Savings") -> list[str]:
    quickest = sorted(savings.edits.items(), key=lambda item: item[1].ratio)
    width = max((len(edit) for edit in savings.edits), default=0)
    rows = [
        f"{edit:{width}}  {one.ratio:.2f} ({one.interval_ratio[0]:.2f} to "
        f"{one.interval_ratio[1]:.2f})"
        for edit, one in quickest
    ]
    return [
        f"{savings.arch}, {savings.variant}, 1 thread, {savings.cpu}: {savings.latency_ms:.2f} ms",
        "time with each edit, by the time without (95 % interval):",
        *rows,
        f"differences below {savings.margin_ratio:.2f} may be chance; more --rounds tell more",
    ]
