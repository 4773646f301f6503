"""A report, from what was given to the files: the page, and the model card."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from edgecat import atomic
from edgecat.bundle.store import MANIFEST
from edgecat.errors import ConfigError
from edgecat.progress import Progress, Silent
from edgecat.report.answers import Photos, answer_photos
from edgecat.report.card import render_card
from edgecat.report.facts import collect_facts
from edgecat.report.page import build_sections, render_page
from edgecat.report.parts import Missing
from edgecat.report.sources import load_sources
from edgecat.train.run import RECORD

# A page, a card: what a run's folder has none of.
_SUFFIXES = (".html", ".md")


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

    def check(self, names: Sequence[str]) -> None:
        """Refuse, before any work, files that should not be written.

        Args:
            names: What is read: it is not written over.

        Raises:
            ConfigError: A file that is read, that stands in a bundle, or by its name could be one
                of a run, or two of one name.
        """
        if self.card is not None and self.card.resolve() == self.page.resolve():
            raise ConfigError(f"--card {self.card}: the page is of this name; give another one")
        read = {Path(name).resolve() for name in names}
        for path in filter(None, (self.page, self.card)):
            if path.resolve() in read:
                raise ConfigError(f"{path}: what the report is made of; give another name")
            if (path.parent / MANIFEST).exists():
                raise ConfigError(
                    f"{path}: a bundle holds only what 'edgecat export' wrote; write beside it"
                )
            if (path.parent / RECORD).exists() and path.suffix not in _SUFFIXES:
                accepted = " or ".join(_SUFFIXES)
                raise ConfigError(
                    f"{path}: could be a file of the run; give a name that ends in {accepted}"
                )


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
        ConfigError: Nothing that a report, or a card, could be made of; a file not to be written.
        TrainError: A damaged run.
        BundleError: A damaged bundle.
        DatasetError: Photos that do not fit.
        StorageError: The disk is full, or there is no such folder.
    """
    output.check(names)
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
