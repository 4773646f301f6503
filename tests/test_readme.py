"""The README is short, and all numbers are those of the committed raw results."""

from pathlib import Path

from benchmarks import readme_table

ROOT = Path(__file__).parent.parent
MAX_LINES = 150


def test_the_tables_are_those_of_the_committed_results():
    assert len(readme_table.PAGES) == 2
    for page, format_page in readme_table.PAGES.items():
        assert format_page().strip()
        assert readme_table.update(page) == page.read_text(), (
            "run: python -m benchmarks.readme_table"
        )


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_LINES
