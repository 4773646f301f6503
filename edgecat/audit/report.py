"""All that an audit found."""

import dataclasses
from typing import Any

from edgecat.audit.check import CHECKS, Check, Finding, Found
from edgecat.audit.survey import Survey
from edgecat.photos.folder import count_labels


@dataclasses.dataclass(frozen=True)
class Checked:
    """A check and what it found.

    Attributes:
        name: Of the check.
        check: What it looks for.
        found: What it found.
    """

    name: str
    check: Check
    found: Found

    @property
    def num_photos(self) -> int:
        """Return how many photos its findings are about."""
        return len({path for finding in self.found.findings for path in finding.photos})

    def describe(self) -> str:
        """Return the line of the table."""
        if self.found.not_looked:
            return f"not looked for: {self.found.not_looked}"
        num = len(self.found.findings)
        photos = f" ({self.num_photos} photos)" if self.num_photos > num else ""
        note = f"; {self.found.note}" if self.found.note else ""
        return (f"{num}{photos}: {self.check.about}" if num else "none") + note


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was found in a data set.

    Attributes:
        survey: What was read.
        checked: Of every check, in order.
    """

    survey: Survey
    checked: tuple[Checked, ...]

    def findings(self) -> tuple[Finding, ...]:
        """Return what all checks found."""
        return tuple(finding for one in self.checked for finding in one.found.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `edgecat audit --json` prints them."""
        folder = self.survey.folder
        return {
            "data": str(folder.root),
            "features": self.survey.model.name,
            "num_photos": len(folder.photos),
            "classes": count_labels(folder.photos),
            "checks": {
                one.name: {
                    "note": one.found.note,
                    "not_looked": one.found.not_looked,
                    "findings": [dataclasses.asdict(finding) for finding in one.found.findings],
                }
                for one in self.checked
            },
            "label_ranking": self._rank_labels(),
        }

    def _rank_labels(self) -> list[dict[str, Any]]:
        """Return every photo whose label was judged, the least likely label first."""
        judged = self.survey.judgement
        if judged is None:
            return []
        return [
            {
                "photo": self.survey.path(int(position)),
                "label": judged.labels[judged.targets[row]],
                "probability": judged.own_probability(row),
                "likely": judged.likely(row),
            }
            for row, position in enumerate(judged.positions)
        ]


def audit(survey: Survey) -> Audit:
    """Let every check look at a data set.

    Raises:
        ImageError: A photo was taken away meanwhile.
    """
    checks = sorted(CHECKS.load_all().items(), key=lambda item: item[1].place)
    return Audit(survey, tuple(Checked(name, check, check.find(survey)) for name, check in checks))
