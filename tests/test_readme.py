"""The README is short, and all numbers are those of the committed raw results."""

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


def test_the_tables_are_those_of_the_committed_results():
    table = _load("readme_table")
    assert len(table.PAGES) == 2
    for page, format_page in table.PAGES.items():
        assert format_page().strip()
        assert table.update(page) == page.read_text(), "run: python benchmarks/readme_table.py"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES
