"""The command `edgecat enroll`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.output import TerminalProgress, percent, print_json
from edgecat.progress import describe_count
from edgecat.typed import command_line


@click.command("enroll", short_help=COMMANDS["enroll"])
@click.argument("bundle")
@click.option("--add", "label", required=True, metavar="LABEL", help="The new class.")
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Bundle to make or replace."
)
@click.option("--json", "as_json", is_flag=True, help="Print what came of it as JSON.")
def command(bundle: str, label: str, photos: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Add a class to a bundle from a few photos, on the device, in seconds.

    All else stays as it is: the new class is one more unit that reads what the network computes
    anyway. Ten photos from different days and sides are good, five are the least. Each variant that
    runs here is proven anew; those that do not are left out. The new bundle is not signed.

    \b
      edgecat enroll first.edgecat --add "Neighbour's cat" photos/ --out second.edgecat
    """
    from edgecat.enroll.job import enroll
    from edgecat.photos.tree import list_photos

    found = enroll(bundle, label, [*map(Path, list_photos(photos))], out, TerminalProgress())
    if as_json:
        print_json({"bundle": str(out)} | found.to_dict())
        return
    unit = found.unit
    click.echo(
        f"{out}: {found.label!r} from {found.num_photos} photos, of which {unit.num_found} are "
        "found when left out in turn"
    )
    click.echo(
        f"of {unit.num_held_out} photos of the other classes {unit.num_claimed} lose a right "
        f"answer to it ({percent(unit.num_claimed / max(1, unit.num_held_out))}); most like it "
        f"before: {unit.nearest}"
    )
    if warning := unit.warn(found.num_photos):
        click.echo(warning)
    if found.num_duplicates:
        click.echo(
            f"nearly equal to another: {describe_count(found.num_duplicates, 'photo')} left out"
        )
    click.echo(f"variants: {', '.join(found.proven.names)}")
    if found.was_signed:
        click.echo("not signed any more; sign it again with 'edgecat sign'")
    click.echo(f"next: {command_line('predict', out, 'PHOTO')}")
