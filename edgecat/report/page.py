"""Sections -> one HTML file that loads nothing, runs nothing, and is read on any screen."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgecat import __version__
from edgecat.report.facts import Facts
from edgecat.report.parts import Missing, Section
from edgecat.report.sections import (
    calibration,
    classes,
    confusion,
    flips,
    glance,
    latency,
    mistakes,
    provenance,
    search,
    tradeoff,
    training,
    unknown,
    variants,
)

#: In the order of the page: what decides first, where it is from last.
_SECTIONS = (
    glance, variants, tradeoff, latency, flips, mistakes, classes, confusion, calibration, unknown,
    search, training, provenance,
)  # fmt: skip

# Nobody's text is run or loads anything, even if it got past the escaping. A page from a file has
# no headers, so it stands in the page.
_POLICY = (
    "default-src 'none'; img-src data:; style-src {style}; base-uri 'none'; form-action 'none'"
)


def build_sections(facts: Facts) -> tuple[list[Section], list[Missing]]:
    """Return the sections that something is known for, and what the others lack."""
    built = [section.build(facts) for section in _SECTIONS]
    sections = [each for each in built if isinstance(each, Section)]
    return sections, [each for each in built if isinstance(each, Missing)]


def render_page(facts: Facts, sections: Sequence[Section], missing: Sequence[Missing]) -> str:
    """Return the page.

    Args:
        facts: What it is about.
        sections: In order.
        missing: What could be added, and how.
    """
    environment = Environment(
        loader=PackageLoader("edgecat.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Markup(environment.get_template("page.css").render())
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("page.html").render(
        title=_name_report(facts),
        policy=_POLICY.format(style=f"'sha256-{digest}'"),
        style=style,
        sections=sections,
        missing=missing,
        version=__version__,
        date=datetime.now(UTC).date().isoformat(),
    )
    return page.encode(errors="replace").decode()  # names of files may be no Unicode


def _name_report(facts: Facts) -> str:
    """Return what the report is about: the model, or whose benchmarks it shows."""
    if facts.model is not None:
        return facts.model.name
    names = dict.fromkeys(str(each.settings.get("bundle")) for each in facts.sources.results)
    return ", ".join(names)
