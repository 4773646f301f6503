import dataclasses
from typing import Any

import pytest

from edgecat.errors import BundleError, ConfigError
from edgecat.strict import build


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


def test_a_very_deep_wrong_value_is_refused_like_any_other():
    deep = []
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(ConfigError, match="size_px: expected int, got list"):
        build(Part, {"size_px": deep}, "w", ConfigError)
