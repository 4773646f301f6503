"""Every script of benchmarks/ starts, and each raw result stands in a README beside its script."""

import importlib
import json

import pytest
from click.testing import CliRunner

from benchmarks.results import RESULTS, name_host

FOLDER = RESULTS.parent
SCRIPTS = sorted(
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if "def main(" in path.read_text()
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_starts_and_says_how_it_is_called(name):
    script = importlib.import_module(name)
    assert f"python -m {name}" in script.__doc__
    shown = CliRunner().invoke(script.main, ["--help"])
    assert shown.exit_code == 0, shown.output


def test_each_raw_result_is_an_answer_in_one_readme():
    pages = "".join(page.read_text() for page in FOLDER.glob("*/README.md"))
    for name in {path.stem for path in RESULTS.glob("*/*.json")}:
        assert pages.count(f"<!-- answer: {name} -->") == 1, name
        assert f"<!-- answer: {name} --><!-- end" not in pages, name


def test_each_raw_result_lies_in_the_folder_of_its_host():
    for path in RESULTS.glob("*/*.json"):
        assert path.parent.name == name_host(json.loads(path.read_text())["host"]), path


def test_each_script_stands_in_the_readme_of_its_folder():
    for name in SCRIPTS:
        path = FOLDER.joinpath(*name.split(".")[1:])
        assert path.name in (path.parent / "README.md").read_text(), name
