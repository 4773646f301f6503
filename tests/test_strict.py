import dataclasses
import math
from typing import Any

import pytest

from edgecat.errors import BundleError, ConfigError, NotFiniteError
from edgecat.strict import build, read_json, to_json


@dataclasses.dataclass(frozen=True)
class Part:
    size_px: int
    name: str = "x"


@dataclasses.dataclass(frozen=True)
class Whole:
    title: str
    ratio: float = 0.5
    flag: bool = False
    count: int = 1
    note: str | None = None
    sides: tuple[float, ...] = ()
    ends: tuple[int, str] = (0, "")
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = dataclasses.field(default_factory=dict)
    any: Any = None

    def __post_init__(self):
        if self.count < 0:
            raise ValueError(f"count {self.count}: must be at least 0")


def test_every_kind_of_value_is_read():
    values = {
        "title": "t",
        "ratio": 1,
        "flag": True,
        "count": 3,
        "note": "n",
        "sides": [1, 2.5],
        "ends": [7, "z"],
        "parts": [{"size_px": 1}, {"size_px": 2, "name": "y"}],
        "named": {"a": {"size_px": 3}},
        "any": [1, {"b": None}],
    }
    whole = build(Whole, values, "w", ConfigError)
    assert whole == Whole(
        "t",
        1.0,
        True,
        3,
        "n",
        (1.0, 2.5),
        (7, "z"),
        (Part(1), Part(2, "y")),
        {"a": Part(3)},
        [1, {"b": None}],
    )
    assert type(whole.ratio) is float
    assert type(whole.sides[0]) is float


def test_absent_keys_take_their_defaults():
    assert build(Whole, {"title": "t"}, "w", ConfigError) == Whole("t")


REFUSED = {
    "unknown, near": ({"title": "t", "raito": 1}, r"w: unknown key 'raito'; did you mean 'ratio'"),
    "unknown, far": ({"title": "t", "zzzzzz": 1}, r"unknown key 'zzzzzz'; known: title, ratio"),
    "unknown, nested": (
        {"title": "t", "parts": [{"size_px": 1}, {"size": 1}]},
        r"w: parts\[1\]: unknown key 'size'; did you mean 'size_px'",
    ),
    "missing": ({}, r"w: the key 'title' is missing"),
    "missing, nested": (
        {"title": "t", "named": {"a": {}}},
        r"named\['a'\]: the key 'size_px' is missing",
    ),
    "int for str": ({"title": 1}, r"w: title: expected str, got int 1"),
    "null for str": ({"title": None}, "title: expected str, got NoneType"),
    "str for int": ({"title": "t", "count": "1"}, "count: expected int, got str '1'"),
    "bool for int": ({"title": "t", "count": True}, "count: expected int, got bool True"),
    "float for int": ({"title": "t", "count": 1.0}, "count: expected int, got float"),
    "bool for float": ({"title": "t", "ratio": True}, "ratio: expected float, got bool"),
    "str for float": ({"title": "t", "ratio": "0.5"}, "ratio: expected float, got str"),
    "int too large for float": ({"title": "t", "ratio": 10**400}, "ratio: a number too large: int"),
    "int for bool": ({"title": "t", "flag": 1}, "flag: expected bool, got int"),
    "int for optional": ({"title": "t", "note": 1}, "note: expected str, got int"),
    "str for list": ({"title": "t", "sides": "12"}, "sides: expected a list, got str"),
    "wrong in list": ({"title": "t", "sides": [1, "2"]}, r"sides\[1\]: expected float, got str"),
    "too few": ({"title": "t", "ends": [1]}, r"w: ends: expected 2 values, got list \[1\]"),
    "too many": ({"title": "t", "ends": [1, "a", "b"]}, "w: ends: expected 2 values, got list"),
    "wrong of several": ({"title": "t", "ends": ["a", 1]}, r"ends\[0\]: expected int, got str"),
    "list for dict": ({"title": "t", "named": []}, "named: expected named values, got list"),
    "number as name": ({"title": "t", "named": {1: {}}}, "named: expected named values"),
    "number for part": (
        {"title": "t", "parts": [3]},
        r"parts\[0\]: expected named values, got int",
    ),
    "list at the top": ([], "w: expected named values, got list"),
    "null at the top": (None, "w: expected named values, got NoneType"),
    "its own check": ({"title": "t", "count": -1}, "w: count -1: must be at least 0"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_value_is_refused_and_named(values, message):
    with pytest.raises(ConfigError, match=message):
        build(Whole, values, "w", ConfigError)


def test_the_error_is_of_the_class_asked_for():
    with pytest.raises(BundleError):
        build(Part, {}, "w", BundleError)


def test_a_long_wrong_value_is_shortened_in_the_message():
    with pytest.raises(ConfigError) as caught:
        build(Part, {"size_px": "x" * 10_000}, "w", ConfigError)
    assert len(str(caught.value)) < 200


def test_a_wrong_number_of_too_many_digits_is_refused_like_any_other():
    with pytest.raises(ConfigError, match="a number too large: int of too many digits to show"):
        build(Whole, {"title": "", "ratio": 16**5000}, "recipe", ConfigError)


def test_a_very_deep_wrong_value_is_refused_like_any_other():
    deep = []
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(ConfigError, match="size_px: expected int, got list"):
        build(Part, {"size_px": deep}, "w", ConfigError)


NO_JSON = {
    "a key twice": ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is there twice"),
    "a key twice, deep": ('[{"x": {"a": 1, "a": 1}}]', "the key 'a' is there twice"),
    "a key twice, spelt apart": ('{"a": 1, "\\u0061": 3}', "the key 'a' is there twice"),
    "NaN": ('{"a": NaN}', "NaN is no number"),
    "infinity": ("[Infinity]", "Infinity is no number"),
    "minus infinity": ("-Infinity", "-Infinity is no number"),
    "beyond floats": ("1e999", "1e999 is no number"),
    "beyond integers": ("1" * 10_000, "not JSON"),
    "cut off": ("[1, ", "not JSON"),
    "two values": ("1 2", "not JSON"),
    "too deep": ("[" * 100_000, "not JSON"),
    "another encoding": ("[1]".encode("utf-16"), "not JSON"),
    "half a character": (b'"\xff"', "not JSON"),
}


@pytest.mark.parametrize(("text", "message"), NO_JSON.values(), ids=NO_JSON)
def test_what_json_proper_does_not_have_is_refused(text, message):
    with pytest.raises(BundleError, match=r"^here: ") as caught:
        read_json(text, "here", BundleError)
    assert message in str(caught.value)


def test_json_is_read_from_text_and_from_bytes():
    assert read_json('{"é": [1, 2.5, null]}', "w", BundleError) == {"é": [1, 2.5, None]}
    assert read_json('{"é": 1e-320}'.encode(), "w", BundleError) == {"é": 1e-320}


def test_a_million_keys_of_which_the_last_is_double_are_read_in_one_pass():
    keys = ", ".join(f'"{number}": 0' for number in range(300_000))
    with pytest.raises(BundleError, match="'299999' is there twice"):
        read_json(f'{{{keys}, "299999": 1}}', "w", BundleError)


def test_json_is_written_for_every_reader():
    assert to_json({"é": [1, 0.5, None]}) == '{"é": [1, 0.5, null]}'
    assert to_json([1], indent=1) == "[\n 1\n]"


def test_a_name_that_is_no_utf8_is_written_in_utf8_and_read_back():
    name = b"caf\xe9 \xc3\xa9.jpg".decode("utf-8", "surrogateescape")
    text = to_json({name: [name]}).encode()
    assert "é".encode() in text
    assert read_json(text, "w", BundleError) == {name: [name]}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_never_written(value):
    with pytest.raises(NotFiniteError, match="not finite, so it is not told"):
        to_json({"deep": [value]})


def test_keys_of_a_newer_version_are_passed_over_at_any_depth():
    values = {"title": "t", "new": 1, "parts": [{"size_px": 1, "newer": []}]}
    whole = build(Whole, values, "w", ConfigError, pass_unknown=True)
    assert whole == Whole("t", parts=(Part(1),))


def test_what_is_known_is_read_as_strictly_where_unknown_keys_are_passed_over():
    for values in ({"new": 1}, {"title": 3}, {"title": "t", "parts": [{"size": 1}]}):
        with pytest.raises(ConfigError):
            build(Whole, values, "w", ConfigError, pass_unknown=True)
