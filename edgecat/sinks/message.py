"""What sinks send of an answer."""

from typing import Any

from edgecat.errors import StorageError
from edgecat.sinks.queue import Entry
from edgecat.strict import read_json, to_json


def build_message(entry: Entry) -> dict[str, Any]:
    """Return what a line of the queue says, with its id and number first."""
    line: dict[str, Any] = read_json(
        entry.line, f"answer {entry.number} of the queue", StorageError
    )
    return {"id": entry.id, "number": entry.number} | line


def encode(values: dict[str, Any]) -> bytes:
    """Return values as JSON in UTF-8.

    A file's name need not be text: bytes that are none become "?", because other programs' readers
    refuse what Python writes for them.
    """
    return to_json(_to_text(values)).encode()


def _to_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_text(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_to_text(one) for one in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
