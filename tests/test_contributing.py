"""What CONTRIBUTING.md and the pre-commit hooks say is so."""

import re
from pathlib import Path

from tests.test_architecture import LAYERS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()

MAX_LINES = 100  # one page


def test_it_is_one_page():
    assert len(PAGE.splitlines()) <= MAX_LINES


def test_the_picture_shows_the_layers_of_the_architecture_test():
    (picture,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    groups = {"desk top", "workshop", "device", "ground"}
    rows = [re.split(r" {2,}", line.strip()) for line in picture.splitlines()]
    shown = [sorted(set(row) - groups) for row in rows]
    assert shown[::-1] == [sorted(layer) for layer in LAYERS]


def test_the_hooks_run_what_ci_runs():
    hooks = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks
    steps = (ROOT / ".ci/run").read_text().splitlines()
    assert set(hooks) <= set(steps)


def test_its_commands_choose_markers_that_exist():
    settings = (ROOT / "pyproject.toml").read_text()
    for marker in ("slow", "installs"):
        assert marker in PAGE
        assert f'"{marker}: ' in settings
