"""README's picture is drawn from the committed raw result, and says what that says."""

import json
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib (edgecat[report])")

from benchmarks.peers.picture import FILE, hash_result, render_picture
from benchmarks.results import list_results

MAX_BYTES = 60_000
AGAIN = "run: python -m benchmarks.readme_table"


def words_of(svg):
    """The texts of a drawing, and how many points it has."""
    root = ElementTree.fromstring(svg)
    texts = [text for element in root.iter() for text in [element.text] if text]
    return texts, sum(element.tag.endswith("}use") for element in root.iter())


@pytest.fixture
def result():
    return json.loads(list_results("peers")[0].read_text())


def test_the_picture_is_that_of_the_committed_result(result):
    source = hash_result(list_results("peers")[0])
    assert ElementTree.parse(FILE).getroot().get("data-source") == source, AGAIN
    assert words_of(FILE.read_text()) == words_of(render_picture(result, source)), AGAIN


def test_another_result_makes_another_picture(result):
    fastest = min(
        (row for row in result["rows"] if row["name"].startswith("edgecat/") and "threads" in row),
        key=lambda row: row["threads"]["1"]["ratio"],
    )
    fastest["threads"]["1"]["ratio"] = 0.55
    texts, _ = words_of(render_picture(result, ""))
    assert any(text.startswith("edgecat: 0.55x") for text in texts)


def test_the_picture_is_small_and_loads_and_runs_nothing():
    text = FILE.read_text()
    assert len(text) <= MAX_BYTES
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text


def test_readme_shows_it_first():
    lines = (FILE.parents[2] / "README.md").read_text().splitlines()
    first = next(
        number for number, line in enumerate(lines) if "benchmarks/peers/front.svg" in line
    )
    assert first <= 4
