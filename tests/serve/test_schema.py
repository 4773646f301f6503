"""The schemas of answers are those of the dataclasses that they are made of."""

import dataclasses
from typing import Any

import pytest

from edgecat.serve.schema import schema_of


@dataclasses.dataclass
class Inner:
    number: int


@dataclasses.dataclass
class Outer:
    """Something.

    Attributes:
        name: What it is called,
            by people.
        parts: Of it.
    """

    name: str
    parts: tuple[Inner, ...]
    share_ratio: float | None
    by_name: dict[str, bool]


INNER = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}


def test_a_dataclass_becomes_an_object_with_its_docstring():
    assert schema_of(Outer) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "What it is called, by people."},
            "parts": {"type": "array", "items": INNER, "description": "Of it."},
            "share_ratio": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "by_name": {"type": "object", "additionalProperties": {"type": "boolean"}},
        },
        "required": ["name", "parts", "share_ratio", "by_name"],
    }


@pytest.mark.parametrize("kind", [Any, bytes, list[int]])
def test_what_has_no_schema_is_an_error(kind):
    with pytest.raises(TypeError, match="no schema"):
        schema_of(kind)
