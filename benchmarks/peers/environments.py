"""A virtual environment for each file of requirements: nothing in it but what that asks for."""

import os
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

from benchmarks.peers.peer import UnavailableError

PROJECT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements"

# What was installed, by a copy of its requirements: an environment without it is not whole.
_INSTALLED = "requirements.txt"


@cache
def open_environment(name: str, work: Path) -> Path:
    """Return the Python of an environment, made now or in an earlier run.

    Args:
        name: A file of `benchmarks/peers/requirements/`, without its ending.
        work: Holds all of them.

    Raises:
        UnavailableError: pip cannot install it: pip's last line.
    """
    folder, requirements = work / "environments" / name, REQUIREMENTS / f"{name}.txt"
    mark = folder / _INSTALLED
    if not mark.exists() or mark.read_text() != requirements.read_text():
        venv.create(folder, clear=True, symlinks=True)
        _install(folder / "bin/python", requirements)
        mark.write_text(requirements.read_text())
    return folder / "bin/python"


def measure_install_bytes(python: Path) -> int:
    """Return the size of what is installed beside an environment's Python; it holds no pip."""
    return sum(
        file.stat().st_size
        for file in python.parent.parent.glob("lib/python*/site-packages/**/*")
        if file.is_file() and not file.is_symlink()
    )


def _install(python: Path, requirements: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "--python", str(python)),
        *("install", "--quiet", "--requirement", str(requirements)),
    ]
    environment = os.environ | {"EDGECAT": str(PROJECT)}  # in the requirements of edgecat's own
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"pip: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    """Return the last line that says something, of errors that pip names so the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no reason given"])[-1]
