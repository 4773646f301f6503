"""JSON and TOML to frozen dataclasses, strictly: every key known, every value of its type.

One reader serves recipes, manifests and run records. An unknown key names the nearest known
one; nothing is converted silently (but an int where a float is asked for).
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from edgecat.errors import EdgecatError

T = TypeVar("T")


def build(cls: type[T], values: object, where: str, error: type[EdgecatError]) -> T:
    """Make a `cls` from a mapping of plain values.

    Args:
        cls: A dataclass whose fields are str, int, float, bool, `X | None`, `tuple[X, ...]`,
            `dict[str, X]`, `Any` or such a dataclass again.
        values: What a JSON or TOML parser gave.
        where: What is being read, for messages: "recipe fast.toml".
        error: The class to raise.

    Raises:
        EdgecatError: Of class `error`: an unknown or missing key, a value of another type, or a
            `ValueError` from the dataclass's own `__post_init__`.
    """
    if not isinstance(values, Mapping):
        raise error(f"{where}: expected named values, got {_kind(values)}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}"
            raise error(f"{where}: unknown key {key!r}; {hint}")
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            raise error(f"{where}: the key {name!r} is missing")
    read = {
        name: _value(hints[name], value, f"{where}: {name}", error)
        for name, value in values.items()
    }
    try:
        return cls(**read)
    except ValueError as problem:
        raise error(f"{where}: {problem}") from problem


def _value(hint: Any, value: object, where: str, error: type[EdgecatError]) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):  # X | None, the one union in use
        if value is None:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where, error)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(
            _value(arguments[0], item, f"{where}[{i}]", error) for i, item in enumerate(value)
        )
    if origin is dict and isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {k: _value(arguments[1], v, f"{where}[{k!r}]", error) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where, error)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as problem:  # JSON and TOML have integers of any size
            raise error(f"{where}: a number too large: {_kind(value)}") from problem
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = {tuple: "a list", dict: "named values"}.get(origin or hint)
    raise error(
        f"{where}: expected {wanted or getattr(hint, '__name__', hint)}, got {_kind(value)}"
    )


def _kind(value: object) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = "nested too deep to show"
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
