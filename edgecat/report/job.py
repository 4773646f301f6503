"""A report, from what was given to the files: the page, and the model card."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from edgecat import atomic
from edgecat.errors import ConfigError
from edgecat.progress import Progress, Silent
from edgecat.report.answers import Photos, answer_photos
from edgecat.report.card import render_card
from edgecat.report.facts import collect_facts
from edgecat.report.page import build_sections, render_page
from edgecat.report.parts import Missing
from edgecat.report.sources import load_sources


@dataclasses.dataclass(frozen=True)
class Output:
    """What to write.

    Attributes:
        page: The HTML file.
        card: The model card, Markdown; None for none.
        shows_photos: Whether photos may be in the page.
    """

    page: Path
    card: Path | None = None
    shows_photos: bool = True


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        num_sections: Of the page.
        size_bytes: Of the page.
        missing: What the page could show, too, and how.
    """

    num_sections: int
    size_bytes: int
    missing: tuple[Missing, ...]


def make_report(
    names: Sequence[str],
    output: Output,
    photos: Photos | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write a report.

    Args:
        names: A run, a bundle, results of benchmarks, see `edgecat.report.sources.load_sources`.
        output: What to write.
        photos: To be answered and shown; None for those of the run, where they still are.
        progress: Told of each photo.

    Raises:
        ConfigError: Nothing that a report, or a card, could be made of; no folder to write into.
        TrainError: A damaged run.
        BundleError: A damaged bundle.
        DatasetError: Photos that do not fit.
        StorageError: The disk is full.
    """
    for path in filter(None, (output.page, output.card)):
        _check_target(path)
    sources = load_sources(names)
    answers = answer_photos(sources, photos or Photos(), progress or Silent())
    facts = collect_facts(sources, answers, shows_photos=output.shows_photos)
    sections, missing = build_sections(facts)
    page = render_page(facts, sections, missing)
    card = render_card(facts) if output.card is not None else ""
    atomic.write_text(output.page, page)
    if output.card is not None:
        atomic.write_text(output.card, card)
    return Written(len(sections), len(page.encode()), tuple(missing))


def _check_target(path: Path) -> None:
    """Refuse, before any work, a file that cannot be written.

    Raises:
        ConfigError: Its folder is not there, or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise ConfigError(f"{path}: a folder; give the name of a file in it")
