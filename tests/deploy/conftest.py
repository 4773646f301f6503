"""What the tests of deploy/ share."""

import sys
from pathlib import Path

import pytest


@pytest.fixture
def linter():
    """A function that returns a linter of edgecat[dev] by its name."""

    def find(name):
        program = Path(sys.executable).with_name(name)
        assert program.exists(), f"{name} is missing: pip install -c constraints.txt -e '.[dev]'"
        return str(program)

    return find
