"""The command `edgecat evaluate`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import (
    allow_older_option,
    device_option,
    signer_option,
    threads_option,
    variant_option,
)
from edgecat.cli.output import TerminalProgress, percent, print_json


@click.command("evaluate", short_help=COMMANDS["evaluate"])
@click.argument("bundle")
@click.argument("data", type=click.Path(path_type=Path))
@variant_option
@click.option(
    "--split",
    type=click.Choice(["test", "all"]),
    help="The photos kept from training, or every photo. Default: test where DATA holds photos "
    "that the model was trained on, else all.",
)
@threads_option
@device_option
@signer_option
@allow_older_option
@click.option(
    "--skip-broken",
    is_flag=True,
    help="List broken photos and leave them out, instead of refusing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundle: str,
    data: Path,
    variant: str | None,
    split: str | None,
    threads: int | None,
    device: str | None,
    signer: Path | None,
    allow_older: bool,
    skip_broken: bool,
    as_json: bool,
) -> None:
    """Measure a bundle's accuracy on labelled photos.

    BUNDLE is a folder that 'edgecat export' wrote, or the name of a released model (cats12). DATA
    has a sub-folder for any of the classes that the model knows, below train/, val/ and test/ or
    not, or is a .zip of that.
    """
    from edgecat.bench.evaluate import evaluate
    from edgecat.bundle.store import load_bundle
    from edgecat.runtime.choice import open_engine
    from edgecat.scores.evaluation import describe_seen

    loaded = load_bundle(bundle, signer=signer, allow_older=allow_older)
    engine = open_engine(loaded, variant, threads, device=device)
    (result,) = evaluate(
        loaded, [engine], data, split=split, skip_broken=skip_broken, progress=TerminalProgress()
    )
    if as_json:
        print_json(result.to_dict())
        return
    click.echo(f"{result.variant}, {result.split} photos: {result.describe()}")
    if warning := result.warn():
        click.echo(warning)
    if warning := describe_seen(result.num_seen):
        click.echo(f"CAREFUL: {warning}; see --split test")
    width = max(map(len, result.per_class))
    for label, one in result.per_class.items():
        click.echo(
            f"  {label:<{width}}  recall {percent(one.recall_ratio):>7}  precision "
            f"{percent(one.precision_ratio):>7}  n = {one.num_images}"
        )
