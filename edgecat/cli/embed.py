"""The command `edgecat embed`."""

from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NewFile, opening_options
from edgecat.cli.output import TerminalProgress, escape, print_json
from edgecat.progress import describe_count


@click.command("embed", short_help=COMMANDS["embed"])
@click.argument("bundle")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...")
@click.option(
    "--out",
    required=True,
    type=NewFile(),
    help="File of the vectors, .npy; the photos' names stand in a .names.json beside it.",
)
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the names as JSON.")
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    photos: tuple[str, ...],
    out: Path,
    opening: dict[str, Any],
    as_json: bool,
) -> None:
    """Write the feature vectors of photos, for search and clustering.

    Photos that look alike to the model have vectors of nearly the same direction. Of a folder every
    file below it is taken. A broken photo is reported and left out, and the exit code is 4.

    \b
      edgecat embed cats12 holiday/ --out holiday.npy
    """
    from edgecat.errors import ConfigError, ImageError
    from edgecat.photos.tree import list_photos
    from edgecat.runtime.classifier import Classifier
    from edgecat.runtime.embedding import embed

    if out.suffix != ".npy":
        raise ConfigError(f"--out {out}: give it a name that ends in .npy")
    failures = []

    def note_broken(photo: Path, problem: str) -> None:
        failures.append({"photo": str(photo), "error": problem})
        click.echo(escape(f"error: {photo}: {problem}"), err=True)

    with Classifier.open(bundle, **opening) as classifier:
        files = [*map(Path, list_photos(photos))]
        found = embed(classifier, files, TerminalProgress(), note_broken)
    if found.photos:
        names = found.write(out)
        if not as_json:
            num_photos, num_features = found.features.shape
            what = f"{describe_count(num_photos, 'photo')}, {num_features} numbers each"
            click.echo(f"{out}: {what}; names: {names}")
    if as_json:
        print_json(found.describe() | {"errors": failures})
    if failures:
        context.exit(ImageError.exit_code)
