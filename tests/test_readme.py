"""The README is short, and its numbers are those of the committed raw results."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_LINES = 150


def _load(name):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.pop(0)


def test_the_result_table_is_that_of_the_committed_results():
    text = (ROOT / "README.md").read_text()
    table = _load("readme_table")
    assert table.format_results().strip()
    assert table.update(text) == text, "run: python benchmarks/readme_table.py"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES
