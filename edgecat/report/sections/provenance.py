"""Where the model is from, and what may be done with it."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgecat.bundle.provenance import describe_value
from edgecat.report.facts import Facts, Model
from edgecat.report.parts import Missing, Section, Table

# What has a section of its own.
_ELSEWHERE = frozenset({"search", "licence"})


def build(facts: Facts) -> Section | Missing:
    """Return licences and origin as tables."""
    model = facts.model
    if model is None:
        return Missing("Origin and licences", "a run or a bundle")
    origin = tuple(list_values({k: v for k, v in model.provenance.items() if k not in _ELSEWHERE}))
    rows = (*origin, *_list_files(facts))
    parts = (_list_licences(model), Table("Origin", ("What", "Value"), rows))
    lead = "Enough to make the model again, and to tell its files from others."
    return Section("provenance", "Origin and licences", lead, parts)


def _list_licences(model: Model) -> Table:
    licences = model.provenance.get("licence")
    rows = tuple(list_values(licences)) if isinstance(licences, Mapping) else ()
    unknown = (("licence", "not recorded: ask who trained it and who took the photos"),)
    return Table("Licences", ("Of", "Licence"), rows or unknown)


def _list_files(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.sources.bundle is None:
        return
    spec = facts.sources.bundle.spec
    if spec.release is not None:
        yield "release", spec.release.describe()
    for name, record in spec.files.items():
        yield f"SHA-256 of {name}", record.sha256


def list_values(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a row for each value: what it is of, and the value, however deep, as text."""
    for name, value in values.items():
        yield str(name).replace("_", " "), describe_value(value) or "none"
