"""The command `edgecat explain`."""

from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import opening_options
from edgecat.cli.output import describe_guesses, escape, print_json


@click.command("explain", short_help=COMMANDS["explain"])
@click.argument("bundle")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="explained",
    show_default=True,
    help="Folder for the pictures, made if it is not there.",
)
@click.option("--label", help="The class to look for; default: each photo's likeliest.")
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print answers and heat as JSON.")
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    photos: tuple[str, ...],
    out: Path,
    label: str | None,
    opening: dict[str, Any],
    as_json: bool,
) -> None:
    """Show where in photos a bundle sees a class: a picture of each, beside what the model saw.

    The brighter, the more that place speaks for the class (a class activation map). Of a folder
    every file below it is taken. A broken photo is reported, the others are explained, and the exit
    code is 4.

    \b
      edgecat explain cats12 cat.jpg
      edgecat explain cats12 cat.jpg --label Siamese --out why
    """
    from edgecat.errors import ImageError
    from edgecat.photos.decode import describe_fault, read_photo
    from edgecat.photos.tree import list_photos
    from edgecat.runtime.classifier import Classifier
    from edgecat.runtime.picture_file import PictureFolder

    explained, failures = [], []
    with Classifier.open(bundle, **opening) as classifier:
        pictures = PictureFolder(out)
        for photo in list_photos(photos):
            try:
                explanation = classifier.explain(read_photo(Path(photo)), label=label)
            except ImageError as error:
                reason = f"{photo}: {describe_fault(error, photo)}"
                failures.append({"photo": photo, "error": reason})
                click.echo(escape(f"error: {reason}"), err=True)
                continue
            picture = pictures.write(Path(photo), explanation.draw())
            prediction = explanation.prediction
            explained.append(
                {"photo": photo, "answer": prediction.answer, "probability": prediction.probability}
                | explanation.to_dict()
                | {"picture": str(picture)}
            )
            if not as_json:
                told = describe_guesses(prediction.answer, prediction.top[:1])
                click.echo(escape(f"{photo}: {told}; {explanation.describe()}: {picture}"))
        if as_json:
            print_json(
                {
                    "bundle": classifier.bundle.spec.name,
                    "variant": classifier.variant,
                    "explanations": explained,
                    "errors": failures,
                }
            )
    if failures:
        context.exit(ImageError.exit_code)
