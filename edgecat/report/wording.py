"""Numbers as people read them, in one way all over the page."""

from collections.abc import Sequence

# Keeps a number with its unit, and the ends of an interval together, where a line ends.
_BLANK = "\N{NO-BREAK SPACE}"


def share(ratio: float, interval: Sequence[float] = ()) -> str:
    """Return a share, its 95 % interval first if there is one: "83.4 to 91.0 % (87.7)"."""
    if not interval:
        return f"{100 * ratio:.1f}{_BLANK}%"
    low, high = interval
    return f"{_span(f'{100 * low:.1f}', f'{100 * high:.1f}', '%')} ({100 * ratio:.1f})"


def points(value_pp: float, interval_pp: Sequence[float]) -> str:
    """Return a difference of two shares, its 95 % interval first: "-0.7 to +3.2 pp (+1.1)"."""
    low, high = interval_pp
    return f"{_span(f'{low:+.1f}', f'{high:+.1f}', 'pp')} ({value_pp:+.1f})"


def milliseconds(value_ms: float, interval_ms: Sequence[float]) -> str:
    """Return a time, its 95 % interval first: "2.1 to 2.4 ms (2.2)"."""
    low, high = interval_ms
    return f"{_span(f'{low:.1f}', f'{high:.1f}', 'ms')} ({value_ms:.1f})"


def times(ratio: float, interval: Sequence[float]) -> str:
    """Return a ratio, its 95 % interval first: "0.70 to 0.80 times (0.75)"."""
    low, high = interval
    return f"{_span(f'{low:.2f}', f'{high:.2f}', 'times')} ({ratio:.2f})"


def megabytes(size_bytes: int) -> str:
    """Return a size in millions of bytes."""
    return f"{size_bytes / 1e6:.2f}{_BLANK}MB"


def _span(low: str, high: str, unit: str) -> str:
    return _BLANK.join((low, "to", high, unit))
