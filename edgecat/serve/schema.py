"""JSON Schema of the dataclasses that answers are made of, so that both cannot differ."""

import dataclasses
import inspect
import re
import types
import typing
from typing import Any

#: A schema as plain values. Source: JSON Schema, draft 2020-12.
JsonSchema = dict[str, Any]

_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}

# A line of a docstring's "Attributes:", with the lines that go on with it.
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)


def schema_of(kind: Any) -> JsonSchema:
    """Return the schema of a type's values, as `dataclasses.asdict` and JSON write them.

    Args:
        kind: str, bool, int, float, `Literal[...]`, a dataclass with annotations of these, or
            `tuple[X, ...]`, `dict[str, X]` or `X | None` of them.

    Raises:
        TypeError: It is something else.
    """
    if kind in _NAMES:
        return {"type": _NAMES[kind]}
    if dataclasses.is_dataclass(kind):
        return _schema_of_fields(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    raise TypeError(f"{kind} has no schema yet")


def _schema_of_fields(kind: Any) -> JsonSchema:
    texts = {
        name: " ".join(text.split())
        for name, text in _ATTRIBUTE.findall(inspect.getdoc(kind) or "")
    }
    properties = {}
    for name, field in typing.get_type_hints(kind).items():
        properties[name] = schema_of(field)
        if name in texts:
            properties[name]["description"] = texts[name]
    return {"type": "object", "properties": properties, "required": list(properties)}
