"""The command `edgecat review`."""

from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import address_options
from edgecat.cli.output import TerminalProgress


@click.command("review", short_help=COMMANDS["review"])
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--bundle",
    help="Offer the classes of this bundle first, in their order: each has the same key always.",
)
@address_options(port=8001)
def command(folder: Path, bundle: str | None, address: dict[str, Any]) -> None:
    """Say what kept photos show, on a local page, key by key.

    DIR is the folder of --keep DIR of 'edgecat watch', 'stream' or 'serve'. Open the page in a
    browser: one photo after the other, those that the model does not know first, those to which it
    said the same side by side. 1-9 and letters say what a photo shows, N is for a new class, S
    skips a photo that nobody can tell, X leaves one out that is no good, U takes back.

    Each decision is a line in DIR/decisions.jsonl before the next photo is shown; nothing is lost
    when the process is killed, and the same command goes on. Then:

    \b
      edgecat finetune PHOTOS --add DIR --out RUN

    \b
      edgecat review kept                               then open http://127.0.0.1:8001/
      edgecat review kept --bundle garden.edgecat
    """
    from edgecat.service.signals import Signals

    with Signals() as signals:
        from edgecat.bundle.store import load_bundle
        from edgecat.review.server import review
        from edgecat.serve.server import Address

        labels = load_bundle(bundle).spec.labels if bundle else ()
        review(folder, labels, Address(**address), signals, TerminalProgress().say)
    click.get_current_context().exit(signals.exit_code)
