"""The README is short, and all numbers are those of the committed raw results."""

from pathlib import Path

import pytest

from benchmarks import readme_table

ROOT = Path(__file__).parent.parent
MAX_LINES = 120


@pytest.mark.parametrize("page", [*readme_table.TABLES, *readme_table.ANSWERED], ids=str)
def test_a_page_says_what_the_committed_results_say(page):
    assert readme_table.update(page) == page.read_text(), "run: python -m benchmarks.readme_table"


def test_no_table_is_empty():
    for format_table in readme_table.TABLES.values():
        assert format_table().strip()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES
