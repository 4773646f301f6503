"""What `edgecat watch`, `stream` and `predict --json` wrote: answers and OOD scores."""

import dataclasses
import datetime
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecat.errors import ConfigError, describe_reason
from edgecat.strict import read_json

# Of a file with millions of lines the newest: with more, less would not be noticed that matters.
_MAX_RESULTS = 10_000

# A line of `watch` has at most 64 KiB; what predict prints of 10,000 photos has 10 MB.
_MAX_LINE_BYTES, _MAX_DOCUMENT_BYTES = 2**20, 256 * 2**20

_MEND = "give what edgecat watch, stream --window 1 or predict --json wrote"


@dataclasses.dataclass(frozen=True)
class Result:
    """An answer to a photo.

    Attributes:
        answer: The class, or "unknown".
        ood_score: See `edgecat.scores.ood`.
        time: When it was given; None where that was not written.
    """

    answer: str
    ood_score: float
    time: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class Results:
    """Answers by one variant of a bundle.

    Attributes:
        variant: Its name.
        found: The newest of the last days, in the order of the files.
        left_out: Why other lines do not count, and how many.
    """

    variant: str
    found: tuple[Result, ...]
    left_out: Counter[str]


def load_results(files: Iterable[Path], bundle: str, variant: str | None, days: float) -> Results:
    """Read the newest answers.

    Args:
        files: Results, the oldest first.
        bundle: The name of the bundle that must have answered.
        variant: And its variant; None for the one that gave the last answer.
        days: How far back from the newest answer.

    Raises:
        ConfigError: A file that cannot be read or holds something else, or no answer that counts.
    """
    left_out: Counter[str] = Counter()
    newest: deque[Result] = deque(maxlen=_MAX_RESULTS)
    chosen = variant
    for file in files:
        for values, where in _read_values(file, left_out):
            reason = _find_reason(values, bundle, variant)
            if reason:
                left_out[reason] += 1
                continue
            if values.get("variant") != chosen:  # the device has gone over to another one
                left_out[f"by {chosen}"] += len(newest)
                chosen = values.get("variant")
                newest.clear()
            if len(newest) == _MAX_RESULTS:
                left_out[f"older than the newest {_MAX_RESULTS:,}"] += 1
            newest.append(_read_result(values, where))
    del left_out["by None"]
    times = [result.time for result in newest if result.time is not None]
    if times:
        end, span = max(times), datetime.timedelta(days=days)
        # No time is reckoned: there may be none so long before that of a clock that was never set.
        found = tuple(r for r in newest if r.time is None or end - r.time <= span)
        left_out[f"older than {days:g} days"] += len(newest) - len(found)
    else:
        found = tuple(newest)
    left_out = +left_out
    if not found:
        reasons = ", ".join(f"{num} {why}" for why, num in left_out.items()) or "no line at all"
        raise ConfigError(f"no answer of {bundle} to compare ({reasons}); {_MEND} with this bundle")
    return Results(str(chosen), found, left_out)


def _find_reason(values: Mapping[str, Any], bundle: str, variant: str | None) -> str:
    """Return why a line does not count; "" where it does."""
    if "error" in values:
        return "of broken photos"
    if "answer" not in values:
        return "that are no answers"
    if values.get("bundle") != bundle:
        return "by another bundle"
    if variant is not None and values.get("variant") != variant:
        return "by other variants"
    if values.get("ood_score") is None:
        return "without an OOD score (an older edgecat wrote them)"
    if values.get("num_frames", 1) != 1:
        return "of several frames, whose scores are means (use stream --window 1)"
    return ""


def _read_result(values: Mapping[str, Any], where: str) -> Result:
    """Return an answer.

    Raises:
        ConfigError: A value of another kind.
    """
    answer, score, time = values["answer"], values["ood_score"], values.get("time")
    is_number = type(score) is float or (type(score) is int and abs(score) < 2**53)
    if not isinstance(answer, str) or not is_number:
        raise ConfigError(f"{where}: answer {answer!r:.60}, ood_score {score!r:.60}: no result")
    if time is None:
        return Result(answer, float(score), None)
    try:
        told = datetime.datetime.fromisoformat(time)
        told = told if told.tzinfo else told.astimezone()
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{where}: time {time!r:.60} is none ({error})") from error
    return Result(answer, float(score), told)


def _read_values(file: Path, left_out: Counter[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the objects of a file of lines, or of one document, and where each stands.

    Raises:
        ConfigError: The file cannot be read, or something in it is no object of JSON.
    """
    try:
        with file.open("rb") as opened:
            number, line = 1, opened.readline(_MAX_LINE_BYTES)
            if line.strip() == b"{":
                yield from _read_document(line + opened.read(_MAX_DOCUMENT_BYTES), str(file))
                return
            while line:
                if len(line) < _MAX_LINE_BYTES and not line.endswith(b"\n"):
                    left_out["cut off"] += 1  # it is being written, or was copied then
                    return
                if line.strip():
                    yield _read_object(line, f"{file}, line {number}"), f"{file}, line {number}"
                number, line = number + 1, opened.readline(_MAX_LINE_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ConfigError(f"{file}: cannot be read ({describe_reason(error)}); {_MEND}") from error


def _read_document(text: bytes, where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the answers of what `edgecat predict --json` printed."""
    document = _read_object(text, where)
    names = {name: document.get(name) for name in ("bundle", "variant")}
    predictions = document.get("predictions", [])
    for prediction in predictions if isinstance(predictions, list) else []:
        if isinstance(prediction, dict):
            yield prediction | names, where


def _read_object(text: bytes, where: str) -> dict[str, Any]:
    values = read_json(text, where, ConfigError, _MEND)
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: no result; {_MEND}")
    return values
