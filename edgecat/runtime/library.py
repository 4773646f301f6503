"""The library of an engine, which may be missing here."""

import contextlib
from collections.abc import Iterator

from edgecat.errors import EngineError
from edgecat.runtime.engine import EngineEntry


def find_requirement(entry: EngineEntry) -> str:
    """Return what to `pip install` beside this edgecat to have an engine."""
    return entry.package if entry.is_reference else entry.requirement


@contextlib.contextmanager
def importing(
    entry: EngineEntry, otherwise: str = "choose a --variant of another engine"
) -> Iterator[None]:
    """Say what to install where a block that imports an engine's library fails.

    Args:
        entry: The engine.
        otherwise: What to do if it is not to be installed.

    Raises:
        EngineError: It is not installed, or does not load here.
    """
    try:
        yield
    except ImportError as error:
        raise EngineError(
            f"{entry.title} is not installed, or does not load here ({error}); install it with "
            f"pip install '{find_requirement(entry)}', or {otherwise}"
        ) from error
