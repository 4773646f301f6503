"""The command `edgecat bundle`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NewFile, allow_older_option, signer_option
from edgecat.typed import command_line


@click.group("bundle", short_help=COMMANDS["bundle"])
def command() -> None:
    """Make one file of a bundle, to send it to a device, and a bundle of that file.

    \b
      edgecat bundle pack first.edgecat --out first.zip
      edgecat bundle unpack first.zip --out first.edgecat
    """


@command.command("pack")
@click.argument("bundle")
@click.option("--out", required=True, type=NewFile(), help="Zip file to make or replace.")
def pack(bundle: str, out: Path) -> None:
    """Write a bundle to one zip file, once all of it is verified.

    BUNDLE is a folder that 'edgecat export' wrote, or the name of a released model (cats12). The
    same bundle makes the same bytes. A signature goes along.

    \b
      edgecat bundle pack first.edgecat --out first.zip
    """
    from edgecat.bundle.archive import pack_bundle

    packed = pack_bundle(bundle, out)
    signed = "signed" if packed.signature else "not signed"
    click.echo(f"{out}: {packed.spec.name}, {out.stat().st_size / 1e6:.1f} MB, {signed}")
    click.echo(f"next: {command_line('bundle', 'unpack', out, '--out', 'BUNDLE')}")


@command.command("unpack")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Bundle to make or replace."
)
@signer_option
@allow_older_option
def unpack(file: Path, out: Path, signer: Path | None, allow_older: bool) -> None:
    """Make a bundle of a zip file, or nothing at all.

    Everything is checked before the bundle stands at --out: that the zip file holds what its
    manifest names and nothing else, no links, no more bytes than it says, every SHA-256, and the
    signature if you require one. A bundle that stands there is replaced in one step.

    \b
      edgecat bundle unpack first.zip --out first.edgecat
      edgecat bundle unpack first.zip --out first.edgecat --require-signature owner.pub.pem
    """
    from edgecat.bundle.archive import unpack_bundle

    spec = unpack_bundle(file, out, signer=signer, allow_older=allow_older)
    click.echo(f"{out}: {spec.name}, all {len(spec.files)} files have the manifest's SHA-256")
    click.echo(f"next: {command_line('predict', out, 'PHOTO')}")
