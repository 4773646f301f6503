"""The command `edgecat keygen`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NewFile
from edgecat.typed import command_line


@click.command("keygen", short_help=COMMANDS["keygen"])
@click.option(
    "--out",
    required=True,
    type=NewFile(),
    help="Private key to make; the public one is written beside it. Neither may exist.",
)
def command(out: Path) -> None:
    """Make a pair of Ed25519 keys to sign bundles with.

    The private key signs: keep it where you export, and keep a copy. The public key proves: copy
    it to each device. Both are PEM files, which openssl reads too.

    \b
      edgecat keygen --out owner.pem                            and owner.pub.pem
      edgecat sign first.edgecat --key owner.pem
      edgecat predict first.edgecat cat.jpg --require-signature owner.pub.pem
    """
    from edgecat.bundle.signature import make_key

    public = make_key(out)
    click.echo(f"{out}: private, only you may read it; it has no passphrase")
    click.echo(f"{public}: public, for your devices")
    click.echo(f"next: {command_line('sign', 'BUNDLE', '--key', out)}")
