"""No file but its own names an engine, a variant, a target or a network, or the side of an input.

So a new one is a new file. What a file says in its docstrings and comments is free.
"""

import ast
import re
from pathlib import Path

import pytest

import edgecat
from edgecat.runtime.engine import ENGINES
from edgecat.runtime.target import TARGETS
from edgecat.train.architecture import ARCHITECTURES

PACKAGE = Path(edgecat.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Kinds of entries that stand in files of a name that tells them.
NAMES = [*ENGINES.names, *TARGETS.names, *ARCHITECTURES.names]

# What torchvision and people call the family.
FAMILY = "mobilenet"

# The preset that the default network shares with most others, under its own name.
PRESET_FILE, PRESET_SIDE_PX = "photos/input.py", 224


def is_own(name, path):
    """Return whether a file is the entry of this name, or a part of it alone, as its name says."""
    own, name = path.stem.replace("_", "-"), name.replace("_", "-")
    return name in own or own in name.split("/") or (FAMILY in name and FAMILY in own)


def names_in(text):
    """Return the entries that a text names: as words, whatever their case."""
    found = {name for name in NAMES if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w])", text)}
    brands = {name for name in (*ENGINES.names, FAMILY) if name in text.lower()}
    return found | brands


def constants_of(tree):
    """Yield every text and number of a module but its docstrings, with the line."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    colours = {
        id(item)
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple) and len(node.elts) == 3
        for item in node.elts
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings | colours:
            yield node


def find_names(path, text):
    """Return what a module names that it should not, as "line: name"."""
    found = []
    for node in constants_of(ast.parse(text)):
        if isinstance(node.value, str):
            found += [f"{node.lineno}: {n}" for n in names_in(node.value) if not is_own(n, path)]
        is_side = ast.get_source_segment(text, node) == str(PRESET_SIDE_PX)
        if is_side and path != PACKAGE / PRESET_FILE:
            found.append(f"{node.lineno}: {PRESET_SIDE_PX}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_names_no_entry_but_its_own(path):
    assert find_names(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('X = "openvino-int8"', "1: openvino"),
        ('raise ValueError(f"{x}: install OpenVINO")', "1: openvino"),
        ('if target == "arm": pass', "1: arm"),
        ('{"x86-vnni": 1}', "1: x86-vnni"),
        ('ARCH = "mobilenet_v3_small"', "1: mobilenet"),
        ("side_px = 224", "1: 224"),
        ("np.zeros((1, 224, 224, 3))", "1: 224"),
    ],
)
def test_a_name_in_another_file_is_found(code, found):
    assert found in find_names(PACKAGE / "serve" / "app.py", code)


@pytest.mark.parametrize(
    "code",
    [
        '"""About OpenVINO, 224 px."""',
        "RED = (224, 0, 0)",
        '"a warm place"',
        "_EOI = 0xE0",
        '"2240"',
    ],
)
def test_what_is_no_name_is_left_alone(code):
    assert find_names(PACKAGE / "serve" / "app.py", code) == []
