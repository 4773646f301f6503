"""The command `edgecat drift`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NumberRange
from edgecat.cli.output import escape, print_json
from edgecat.errors import DriftError


@click.command("drift", short_help=COMMANDS["drift"])
@click.argument(
    "results", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS..."
)
@click.option("--bundle", required=True, help="The bundle that gave these answers.")
@click.option("--variant", help="Default: the variant that gave the last answer.")
@click.option(
    "--days",
    default=7.0,
    show_default=True,
    type=NumberRange(0, min_open=True, max=36500),
    help="How far back to look, from the newest answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(
    results: tuple[Path, ...], bundle: str, variant: str | None, days: float, as_json: bool
) -> None:
    """Say whether the photos of the last week look like those that a bundle was trained on.

    RESULTS is what 'edgecat watch' writes, the oldest file first; what 'edgecat stream --window 1'
    and 'edgecat predict --json' print will do, too. The photos themselves are not needed.

    OOD scores and the shares of classes are compared with those of the validation photos of the
    training, which travel in the bundle. If more photos lie far from the known classes than at the
    training, by more than chance, the exit code is 23. Shares that differ are told, and are no
    error: a camera sees one cat more often than others.

    \b
      edgecat drift results.jsonl --bundle first.edgecat
      edgecat drift results.jsonl.1 results.jsonl --bundle first.edgecat --days 30 --json
    """
    from edgecat.bundle.reference import load_reference
    from edgecat.bundle.store import load_bundle
    from edgecat.drift.comparison import compare
    from edgecat.drift.results import load_results

    loaded = load_bundle(bundle)
    reference = load_reference(loaded)
    if variant is not None:
        loaded.spec.variant(variant)
    found = load_results(results, loaded.spec.name, variant, days)
    drift = compare(loaded.spec, reference.of(found.variant), found)
    if as_json:
        print_json(drift.to_dict())
    else:
        click.echo(escape("\n".join(drift.describe())))
    if drift.is_stranger:
        raise DriftError(
            f"more photos lie far from the known classes than at the training (p "
            f"{drift.scores_p:.4f}): look at some; edgecat finetune on photos of this camera, too"
        )
