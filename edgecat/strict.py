"""JSON and TOML to frozen dataclasses, strictly: every key known and once, every value of its type.

One reader serves recipes, manifests and run records. An unknown key names the nearest known
one; nothing is converted silently (but an int where a float is asked for).
"""

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from edgecat.errors import EdgecatError, NotFiniteError

T = TypeVar("T")


def read_json(
    text: str | bytes, where: str, error: type[EdgecatError], mend: str = "make it again"
) -> Any:
    """Return what JSON proper says: no key twice in one object, no NaN, no infinity.

    Of a key given twice every parser believes one, and not all the same one; what a person or a
    program has checked could be the other.

    Args:
        text: JSON; as bytes, in UTF-8.
        where: What is being read, for messages.
        error: The class to raise.
        mend: What to do or to give instead.

    Raises:
        EdgecatError: Of class `error`: it is something else.
    """
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode(),
            object_pairs_hook=_read_object,
            parse_float=_read_float,
            parse_constant=_read_float,
        )
    except (ValueError, RecursionError) as problem:
        raise error(f"{where}: not JSON ({problem}); {mend}") from problem


def to_json(value: object, indent: int | None = None, *, is_ascii: bool = False) -> str:
    """Return a value as JSON proper.

    Args:
        value: Plain values.
        indent: Spaces a level; None for one line.
        is_ascii: Spell other letters as escapes, for a place that has no UTF-8.

    Raises:
        NotFiniteError: A number in it is not finite: JSON has no such number.
    """
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=is_ascii, allow_nan=False)
    except ValueError as problem:
        raise NotFiniteError(
            "the result has a number that is not finite, so it is not told; prove the model with "
            "edgecat doctor BUNDLE"
        ) from problem
    # What of a file's name is no UTF-8, UTF-8 cannot say; JSON's own escape can.
    return text.encode("utf-8", "backslashreplace").decode()


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} is there twice")
        found[key] = value
    return found


def _read_float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:60]} is no number that JSON has")
    return value


def build(
    cls: type[T],
    values: object,
    where: str,
    error: type[EdgecatError],
    *,
    pass_unknown: bool = False,
) -> T:
    """Make a `cls` from a mapping of plain values.

    Args:
        cls: A dataclass whose fields are str, int, float, bool, `X | None`, `tuple[X, ...]`,
            `tuple[X, Y]`, `dict[str, X]`, `Literal`, `Any` or such a dataclass again.
        values: What a JSON or TOML parser gave.
        where: What is being read, for messages: "recipe fast.toml".
        error: The class to raise.
        pass_unknown: Pass over keys that no field has, at any depth: a newer version wrote them.

    Raises:
        EdgecatError: Of class `error`: an unknown or missing key, a value of another type, or a
            `ValueError` from the dataclass's own `__post_init__`.
    """
    return _build(cls, values, where, _Rules(error, pass_unknown))


@dataclasses.dataclass(frozen=True)
class _Rules:
    error: type[EdgecatError]
    pass_unknown: bool


def _build(cls: type[T], values: object, where: str, rules: _Rules) -> T:
    if not isinstance(values, Mapping):
        raise rules.error(f"{where}: expected named values, got {_kind(values)}")
    hints = _get_hints(cls)  # type: ignore[arg-type]  # a class can be hashed
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    _check_keys(values, fields, where, rules)
    read = {
        name: _value(hints[name], values[name], f"{where}: {name}", rules)
        for name in values
        if name in fields
    }
    try:
        return cls(**read)
    except ValueError as problem:
        raise rules.error(f"{where}: {problem}") from problem


@functools.cache  # a manifest has a hundred parts of a dozen kinds
def _get_hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _check_keys(
    values: Mapping[str, object],
    fields: Mapping[str, dataclasses.Field[Any]],
    where: str,
    rules: _Rules,
) -> None:
    for key in values:
        if key not in fields and not rules.pass_unknown:
            import difflib  # 0.2 MB that only an error needs

            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}"
            raise rules.error(f"{where}: unknown key {key!r}; {hint}")
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in values:
            raise rules.error(f"{where}: the key {name!r} is missing")


def _value(hint: Any, value: object, where: str, rules: _Rules) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is typing.Literal:
        if value in arguments and type(value) in map(type, arguments):
            return value
        known = ", ".join(map(repr, arguments))
        raise rules.error(f"{where}: expected one of {known}, got {_kind(value)}")
    if origin in (types.UnionType, typing.Union):  # X | None, the one union in use
        if value is None:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where, rules)
    if origin is tuple and isinstance(value, list | tuple):
        hints = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(hints) != len(value):
            raise rules.error(f"{where}: expected {len(hints)} values, got {_kind(value)}")
        pairs = zip(hints, value, strict=True)
        return tuple(_value(*pair, f"{where}[{i}]", rules) for i, pair in enumerate(pairs))
    if origin is dict and isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {k: _value(arguments[1], v, f"{where}[{k!r}]", rules) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where, rules)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as problem:  # JSON and TOML have integers of any size
            raise rules.error(f"{where}: a number too large: {_kind(value)}") from problem
    if isinstance(hint, type) and type(value) is hint:
        return value
    wanted = {tuple: "a list", dict: "named values"}.get(origin or hint)
    raise rules.error(
        f"{where}: expected {wanted or getattr(hint, '__name__', hint)}, got {_kind(value)}"
    )


def _kind(value: object) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = "nested too deep to show"
    except ValueError:  # TOML has hexadecimal numbers of any length, Python's decimals have not
        text = "of too many digits to show"
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
