"""What the tests of deploy/ share: linters, and edgecat installed as on a Raspberry Pi."""

import subprocess
import sys
from pathlib import Path

import pytest

PI = Path(__file__).parents[2] / "deploy" / "raspberry-pi"


@pytest.fixture
def linter():
    """A function that returns a linter of edgecat[dev] by its name."""

    def find(name):
        program = Path(sys.executable).with_name(name)
        assert program.exists(), f"{name} is missing: pip install -c constraints.txt -e '.[dev]'"
        return str(program)

    return find


@pytest.fixture(scope="session")
def run_script():
    """A function that runs install.sh or uninstall.sh below a folder: (name, root, *arguments)."""

    def run(name, root, *arguments):
        done = subprocess.run(
            [PI / name, "--root", root, *arguments], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def installed(run_script, wheel, tmp_path_factory):
    """The root of an installation; whoever spoils it takes a copy."""
    root = tmp_path_factory.mktemp("pi")
    run_script("install.sh", root, wheel)
    return root
