"""Where a model is from, as text: values of any form, since each edgecat may write more."""

from collections.abc import Iterator, Mapping
from typing import Any


def describe_value(value: object) -> str:
    """Return a value, however deep, as one line of text; nothing is ""."""
    if isinstance(value, Mapping):
        parts = []
        for name, inner in value.items():
            text = describe_value(inner)
            parts.append(f"{name} ({text})" if isinstance(inner, Mapping) else f"{name} {text}")
        return ", ".join(parts)
    if isinstance(value, list | tuple):
        return ", ".join(map(describe_value, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def format_values(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a line a value; one that holds others that hold others has its own below it.

    Args:
        values: By name; of a list of such, each is numbered from 1.
        indent: Before each line.
    """
    for name, value in values.items():
        inner = _number(value)
        if isinstance(inner, Mapping) and any(map(_is_deep, inner.values())):
            yield f"{indent}{name}:"
            yield from format_values(inner, f"{indent}  ")
        else:
            yield f"{indent}{name}: {describe_value(value) or 'none'}"


def _is_deep(value: object) -> bool:
    return isinstance(_number(value), Mapping)


def _number(value: object) -> object:
    """Return a list of named values as named values themselves; all else as it is."""
    if isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) for v in value):
        return {str(number): one for number, one in enumerate(value, 1)}
    return value
