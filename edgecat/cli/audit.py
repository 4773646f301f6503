"""The command `edgecat audit`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NewFile, list_option, threads_option, variant_option
from edgecat.cli.output import TerminalProgress, escape, print_json
from edgecat.errors import ConfigError
from edgecat.typed import command_line

if TYPE_CHECKING:
    from edgecat.audit.features import FeatureModel
    from edgecat.audit.report import Audit, Checked

# Findings of a check that the table names.
_NUM_NAMED = 3


@click.command("audit", short_help=COMMANDS["audit"])
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--bundle",
    help="Compare photos by its features, without torch, and look for outliers, too; a folder, or "
    "cats12. Default: the pretrained --weights.",
)
@variant_option
@threads_option
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|cats12|FILE",
    help="Pretrained weights whose features to compare by, as finetune's.",
)
@list_option
@click.option(
    "--html",
    "sheet",
    type=NewFile(),
    metavar="SHEET.html",
    help="Write a contact sheet: thumbnails of what was found, in one file.",
)
@click.option(
    "--apply",
    "clean",
    type=NewFile(),
    metavar="LIST",
    help="Write a new file that 'edgecat finetune DATA --list LIST' takes, without what learning "
    "can only lose by; labels in doubt stay in it, with a note. No photo is touched.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    data: Path,
    bundle: str | None,
    variant: str | None,
    threads: int | None,
    weights: str,
    photo_list: Path | None,
    sheet: Path | None,
    clean: Path | None,
    as_json: bool,
) -> None:
    """Look for what is wrong in a folder of labelled photos.

    DATA is what 'edgecat finetune' takes: a sub-folder per class, or train/, val/ and test/ with
    such sub-folders, or a .zip of that. Nothing in it is changed.

    \b
      edgecat audit photos
      edgecat audit photos --html sheet.html --apply clean.txt
      edgecat finetune photos --out runs/clean --list clean.txt
      edgecat audit photos --bundle first.edgecat     outliers, too
    """
    from edgecat import atomic
    from edgecat.audit.clean_list import format_list
    from edgecat.audit.report import audit
    from edgecat.audit.sheet import ContactSheet
    from edgecat.audit.survey import survey_photos
    from edgecat.photos.folder import load_folder

    for file in filter(None, (sheet, clean)):
        _check_place(file, data)
    if sheet is not None and sheet.resolve() in {f.resolve() for f in (clean, photo_list) if f}:
        raise ConfigError(f"--html {sheet}: the list is of this name; give another one")
    if clean is not None and clean.exists():
        raise ConfigError(f"--apply {clean}: exists, maybe edited by you; give another name")
    progress, folder = TerminalProgress(), load_folder(data, photo_list)
    for line in (folder.understood, *folder.notes):
        progress.say(line)
    result = audit(survey_photos(folder, _open_model(bundle, variant, threads, weights), progress))
    if sheet is not None:
        atomic.write_text(sheet, ContactSheet(result, sheet).to_html(progress))
        progress.say(f"look at {sheet}")
    if clean is not None:
        text = format_list(result)
        atomic.write_file(clean, lambda file: file.write(text.encode("utf-8", "surrogateescape")))
    if as_json:
        print_json(result.to_dict())
    else:
        for one in result.checked:
            _print_check(one)
    progress.say(f"next: {_advise(data, clean, result)}")


def _open_model(
    bundle: str | None, variant: str | None, threads: int | None, weights: str
) -> "FeatureModel":
    if bundle is None:
        from edgecat.train.features import features_of_weights

        return features_of_weights(weights)
    from edgecat.audit.features import features_of_bundle
    from edgecat.bundle.store import load_bundle
    from edgecat.runtime.choice import open_engine

    loaded = load_bundle(bundle)
    return features_of_bundle(loaded, open_engine(loaded, variant, threads))


def _check_place(file: Path, data: Path) -> None:
    """Refuse to write among the photos, or over one.

    Raises:
        ConfigError: The file lies there.
    """
    if file.resolve().is_relative_to(data.resolve()):
        raise ConfigError(f"{file}: lies among the photos; give a place outside of {data}")


def _advise(data: Path, clean: Path | None, result: "Audit") -> str:
    if clean is not None:
        return command_line("finetune", data, "--out", "runs/clean", "--list", clean)
    if any(one.found.findings for one in result.checked):
        return "the same with --html sheet.html to look, and --apply clean.txt for finetune"
    return command_line("finetune", data, "--out", "runs/first")


def _print_check(one: "Checked") -> None:
    click.echo(escape(f"{one.check.title:<24}  {one.describe()}"))
    for finding in one.found.findings[:_NUM_NAMED]:
        photos = "  =  ".join(finding.photos[:_NUM_NAMED])
        click.echo(escape(" " * 26 + ": ".join(filter(None, (photos, finding.text)))))
