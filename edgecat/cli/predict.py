"""The command `edgecat predict`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import opening_options
from edgecat.cli.output import describe_guesses, escape, print_json


@click.command("predict", short_help=COMMANDS["predict"])
@click.argument("bundle")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...")
@click.option(
    "--top",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="How many of the likeliest classes to show.",
)
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON.")
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    photos: tuple[str, ...],
    top: int,
    opening: dict[str, Any],
    as_json: bool,
) -> None:
    """Say what photos show.

    BUNDLE is a folder that 'edgecat export' wrote, or the name of a released model (cats12). Of a
    folder of photos every file below it is taken. A photo that shows none of the known classes is
    called unknown. A broken photo is reported, the others are answered, and the exit code is 4.

    \b
      edgecat predict cats12 cat.jpg holiday/
      edgecat predict first.edgecat --variant openvino-int8 --json *.jpg
    """
    from edgecat.errors import ImageError
    from edgecat.photos.decode import describe_fault, find_oddities, read_photo
    from edgecat.photos.tree import list_photos
    from edgecat.runtime.classifier import Classifier

    answers, failures = [], []
    with Classifier.open(bundle, **opening) as classifier:
        for photo in list_photos(photos):
            try:
                data = read_photo(Path(photo))
                prediction, notes = classifier.predict(data, top=top), find_oddities(data)
            except ImageError as error:
                reason = f"{photo}: {describe_fault(error, photo)}"
                failures.append({"photo": photo, "error": reason})
                click.echo(escape(f"error: {reason}"), err=True)
                continue
            answers.append({"photo": photo} | prediction.to_dict() | {"notes": notes})
            for note in notes:
                click.echo(escape(f"note: {photo}: {note}"), err=True)
            if not as_json:
                told = describe_guesses(prediction.answer, prediction.top)
                click.echo(escape(f"{photo}: {told}"))
        if opening["variant"] is None and answers and not as_json:
            click.echo(f"answered by {classifier.choice.describe()}", err=True)
        if as_json:
            print_json(
                {
                    "bundle": classifier.bundle.spec.name,
                    "variant": classifier.variant,
                    "choice": dataclasses.asdict(classifier.choice),
                    "precision": classifier.precision,
                    "predictions": answers,
                    "errors": failures,
                }
            )
    if failures:
        context.exit(ImageError.exit_code)
