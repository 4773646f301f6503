"""What people decided on kept photos: a file with a line of JSON for each decision, in order.

Of several decisions on a photo the last one holds. Lines are only ever added
(`edgecat.review.log`); a line that a kill or a power cut tore off at the file's end was answered
to nobody, and counts for nothing.
"""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from edgecat.errors import DatasetError
from edgecat.strict import build, read_json, to_json

#: What can be decided: the photo shows `label`; it is not to be learned from, because nobody can
#: tell or because it is no good; the decision before is taken back.
Kind = Literal["label", "skip", "remove", "undo"]

_SHA256 = re.compile("[0-9a-f]{64}")

# A million decisions.
_MAX_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class Decision:
    """A line of the file.

    Attributes:
        sha256: Hex, of the photo.
        kind: What was decided.
        time: When, ISO 8601.
        label: What it shows; None of the other kinds.
    """

    sha256: str
    kind: Kind
    time: str
    label: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: No SHA-256, or a label where there is none to be, or the other way around.
        """
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 {self.sha256[:80]!r} is not 64 hex digits")
        if (self.kind == "label") != bool(self.label):
            raise ValueError("a decision has a label if it is of the kind 'label', and only then")


@dataclasses.dataclass(frozen=True)
class DecisionFile:
    """A file of decisions, read.

    Attributes:
        decisions: In the order of the file.
        num_bytes: How far they reach.
        torn: What follows: the beginning of a line.
        is_open: Whether the last decision's line lacks its end, as some editors leave it.
    """

    decisions: tuple[Decision, ...] = ()
    num_bytes: int = 0
    torn: bytes = b""
    is_open: bool = False


def format_decision(decision: Decision) -> bytes:
    """Return a decision as a line."""
    values = {k: v for k, v in dataclasses.asdict(decision).items() if v is not None}
    return to_json(values).encode() + b"\n"


def read_decisions(file: Path) -> DecisionFile:
    """Read a file of decisions; none where there is no file.

    Raises:
        DatasetError: It cannot be read, or a whole line is no decision; the line is named.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return DecisionFile()
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror})") from error
    if len(data) > _MAX_BYTES:
        raise DatasetError(f"{file}: larger than {_MAX_BYTES // 2**20} MiB: no file of decisions")
    *lines, rest = data.split(b"\n")
    decisions = [_parse(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        last = [_parse(rest, file, len(lines) + 1)] if rest.strip() else []
    except DatasetError:  # no beginning of a line is a line
        return DecisionFile(tuple(decisions), len(data) - len(rest), rest)
    return DecisionFile((*decisions, *last), len(data), is_open=bool(rest))


def settle(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Return what holds of each photo by its SHA-256, the one decided last at the end."""
    holds: dict[str, Decision] = {}
    for decision in decisions:
        holds.pop(decision.sha256, None)
        if decision.kind != "undo":
            holds[decision.sha256] = decision
    return holds


def _parse(line: bytes, file: Path, number: int) -> Decision:
    """Read a whole line.

    Raises:
        DatasetError: It is no decision.
    """
    where = f"{file}, line {number}"
    try:
        values = read_json(line, where, DatasetError)
        return build(Decision, values, where, DatasetError, pass_unknown=True)
    except DatasetError as error:
        raise DatasetError(
            f"{error}. edgecat review wrote no such line: mend or remove it; all others hold"
        ) from error
