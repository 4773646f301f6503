"""The command `edgecat report`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NewFile
from edgecat.cli.output import TerminalProgress


@click.command("report", short_help=COMMANDS["report"])
@click.argument("sources", nargs=-1, required=True, metavar="RUN|BUNDLE|RESULTS.json...")
@click.option("--out", required=True, type=NewFile(), help="HTML file to make or replace.")
@click.option("--card", type=NewFile(), help="Write a model card (Markdown), too.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Labelled photos to answer and show, a folder or a .zip. Default: the run's own, if they "
    "are still there; a bundle alone has none.",
)
@click.option(
    "--others",
    type=click.Path(path_type=Path),
    help="A folder of photos that show none of the classes: how well are they told?",
)
@click.option("--no-photos", is_flag=True, help="Count with photos, but show none in the page.")
@click.option(
    "--skip-broken", is_flag=True, help="List broken photos and leave them out, not refuse them."
)
def command(
    sources: tuple[str, ...],
    out: Path,
    card: Path | None,
    data: Path | None,
    others: Path | None,
    no_photos: bool,
    skip_broken: bool,
) -> None:
    """Show all that is known of a model on one page: a file without network, for any screen.

    Give what you have: the folder of a run, a bundle (a folder or a released model's name), results
    of 'edgecat benchmark --json FILE'. One run and one bundle, which must be of the same model;
    results of any number of bundles, to compare them. What is not given is not shown, and the page
    says what to give. Photos in the page are as the model sees them, without their metadata.

    \b
      edgecat report runs/first --out report.html
      edgecat report first.edgecat bench.json --data photos --others strangers --out report.html
      edgecat report cats12 --out report.html --card README.md
    """
    from edgecat.report.answers import Photos
    from edgecat.report.job import Output, make_report

    written = make_report(
        sources,
        Output(out, card, shows_photos=not no_photos),
        Photos(data, others, skip_broken),
        TerminalProgress(),
    )
    click.echo(f"{out}: {written.num_sections} sections, {written.size_bytes / 1e6:.2f} MB")
    for each in written.missing:
        click.echo(f"not in it: {each.title}; give {each.advice}")
