"""The command `edgecat data`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.output import TerminalProgress
from edgecat.typed import command_line


@click.group("data", short_help=COMMANDS["data"])
def command() -> None:
    """Get data sets to fine-tune on."""


@command.command("oxford-cats", short_help="Download 12 cat breeds of Oxford-IIIT Pet.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make: one sub-folder per breed.",
)
def oxford_cats(out: Path) -> None:
    """Download Oxford-IIIT Pet (800 MB) and keep the photos of its 12 cat breeds.

    Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and Dogs", CVPR 2012; licence CC BY-SA 4.0.
    """
    from edgecat.train.oxford import make_oxford_cats

    num_photos = make_oxford_cats(out, TerminalProgress())
    click.echo(f"{out}: {num_photos} photos of 12 breeds")
    click.echo(f"next: {command_line('finetune', out, '--out', 'runs/cats')}")
