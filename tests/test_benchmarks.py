"""Every script of benchmarks/ starts, and each raw result stands in a README beside its script."""

import importlib

import pytest
from click.testing import CliRunner

from benchmarks.results import RESULTS

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
