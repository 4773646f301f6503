"""The command `edgecat sign`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.typed import command_line


@click.command("sign", short_help=COMMANDS["sign"])
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(path_type=Path),
    help="Your private key, a PEM file (see edgecat keygen).",
)
@click.option(
    "--release",
    "number",
    type=int,
    metavar="N",
    help="Number of this release, above that of every one before. Default: the time, such as "
    "20261128052500.",
)
def command(bundle: Path, key: Path, number: int | None) -> None:
    """Sign a bundle, so that devices can tell it from others, and from older ones.

    A release number and the date are put into its manifest; the signature, bundle.sig, is of every
    byte in it. A device that is given --require-signature with your public key takes no other
    bundle, and none with a lower number than the highest that it has used. To go back to an old
    bundle, sign it again. If a device runs several models, sign each with a key of its own.

    \b
      edgecat keygen --out owner.pem
      edgecat sign first.edgecat --key owner.pem
    """
    from edgecat.bundle.signing import sign_bundle

    release = sign_bundle(bundle, key, number=number)
    click.echo(f"{bundle}: signed with {key}, {release.describe()}")
    click.echo(f"next: {command_line('inspect', bundle, '--require-signature', 'PUBLIC.pem')}")
