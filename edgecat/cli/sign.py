"""The command `edgecat sign`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS


@click.command("sign", short_help=COMMANDS["sign"])
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="Your private key, a PEM file (see edgecat keygen).",
)
def command(bundle: Path, key: Path) -> None:
    """Sign a bundle, so that devices can tell it from others.

    The signature, bundle.sig, is put into BUNDLE and is of every byte in it. A device that is
    given --require-signature with your public key takes no other bundle.

    \b
      edgecat keygen --out owner.pem
      edgecat sign first.edgecat --key owner.pem
    """
    from edgecat.bundle.store import sign_bundle

    sign_bundle(bundle, key)
    click.echo(f"{bundle}: signed with {key}")
    click.echo(f"next: edgecat inspect {bundle} --require-signature PUBLIC.pem")
