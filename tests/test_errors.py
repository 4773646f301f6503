import inspect
import re

import pytest

from edgecat import errors

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__
]


def drawn_tree():
    """Class name -> (depth, exit code), as the docstring draws them."""
    line = re.compile(r"^ {4}([ │├└─]*)(\w+) +(\d+)(?: |$)", re.MULTILINE)
    return {name: (len(s) // 4, int(code)) for s, name, code in line.findall(errors.__doc__)}


def test_exit_codes_are_all_different():
    codes = [cls.exit_code for cls in CLASSES]
    assert len(CLASSES) >= 13
    assert sorted(codes) == sorted(set(codes))
    assert 0 not in codes


@pytest.mark.parametrize(
    ("message", "rest"),
    [
        ("a: is broken", "is broken"),
        ("a with 1 thread: a: is broken", "is broken"),
        ("ab: is broken", "ab: is broken"),
        ("b: a: is broken", "b: a: is broken"),
    ],
)
def test_a_name_that_was_told_before_is_not_told_again(message, rest):
    assert errors.EngineError(message).without("a with 1 thread", "a") == rest


def test_of_what_the_system_refuses_the_reason_is_told_without_number_and_path():
    with pytest.raises(FileNotFoundError) as refused:
        open("nowhere")  # noqa: SIM115
    assert errors.describe_reason(refused.value) == "No such file or directory"
    assert errors.describe_reason(OSError("half of it came")) == "half of it came"
    assert errors.describe_reason(ValueError("embedded null byte")) == "embedded null byte"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_has_its_own_code_and_derives_from_the_root(cls):
    assert "exit_code" in vars(cls)
    assert issubclass(cls, errors.EdgecatError)
    assert cls.__doc__


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_stands_in_the_drawn_tree_with_its_code_and_depth(cls):
    depth = cls.mro().index(errors.EdgecatError)
    assert drawn_tree()[cls.__name__] == (depth, cls.exit_code)


def test_the_drawn_tree_has_nothing_else():
    assert set(drawn_tree()) == {cls.__name__ for cls in CLASSES}


def test_codes_of_the_shell_stay_free():
    # 126-128 are the shell's own, 130 is Ctrl-C.
    assert all(1 <= cls.exit_code < 64 for cls in CLASSES)
