"""The command `edgecat demo`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.output import TerminalProgress, escape


@click.command("demo", short_help=COMMANDS["demo"])
@click.option(
    "--out",
    default="edgecat-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder to write everything to.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Your own labelled photos, a folder or a .zip, instead of drawings.",
)
def command(out: Path, data: Path | None) -> None:
    """Walk the whole path in one command, offline: about two minutes on two cores.

    Draws a small data set of cats (drawings, not photos), fine-tunes the released model on it,
    exports, quantizes, evaluates, measures and predicts, and says where everything lies.
    """
    from edgecat.demo.walk import walk

    click.echo(escape(walk(out, data, TerminalProgress())))
