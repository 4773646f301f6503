"""The command `edgecat profile`."""

import dataclasses
from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import allow_older_option, signer_option
from edgecat.cli.output import escape, print_json


@click.command("profile", short_help=COMMANDS["profile"])
@click.argument("bundle")
@click.option(
    "--variant",
    "variants",
    required=True,
    multiple=True,
    help="One of those that 'edgecat inspect' shows; give it twice to lay two side by side.",
)
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="To compute with."
)
@click.option(
    "--device",
    default="CPU",
    show_default=True,
    metavar="CPU|GPU|NPU|AUTO|HETERO:...",
    help="To compute on, where the variant's engine has it.",
)
@click.option(
    "--runs",
    default=50,
    show_default=True,
    type=click.IntRange(1, 200),  # ONNX Runtime tells of all at the end
    help="Timed photos; each operator's median counts.",
)
@click.option(
    "--top",
    default=12,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Lines of each table.",
)
@signer_option
@allow_older_option
@click.option("--json", "as_json", is_flag=True, help="Print all operators as JSON.")
def command(
    bundle: str,
    variants: tuple[str, ...],
    threads: int,
    device: str,
    runs: int,
    top: int,
    signer: Path | None,
    allow_older: bool,
    as_json: bool,
) -> None:
    """Show where the time of a photo goes: per operator, as the engine reports it.

    First what all operators of a kind take in sum, then the dearest ones alone. A kind that takes
    most of the time is where a faster variant would have to gain; many small ones, conversions
    between precisions above all, are what INT8 pays for its fast convolutions. Lay the float and
    the INT8 variant of an engine side by side to see which of them it is.

    Looking costs time: trust the shares, and for the latency the last lines, which say what a photo
    takes when nobody looks. An engine whose library tells no times is refused.

    \b
      edgecat profile cats12 --variant onnxruntime-int8
    """
    from edgecat.bench.profile import format_profiles, profile_variants
    from edgecat.bundle.store import load_bundle
    from edgecat.runtime.device import Resources

    loaded = load_bundle(bundle, signer=signer, allow_older=allow_older)
    resources = Resources(threads, device=device.upper())
    profiles = profile_variants(loaded, variants, resources, runs)
    if as_json:
        print_json({"profiles": [dataclasses.asdict(profile) for profile in profiles]})
    else:
        click.echo(escape(format_profiles(profiles, top)))
