"""Is the interpreter one that edgecat runs in?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import NEW_SYSTEM, Machine, is_older

# As `requires-python` in pyproject.toml.
_MIN_PYTHON = "3.11"


def check_python(machine: Machine) -> Finding:
    """An interpreter that edgecat runs in."""
    if is_older(machine.python, _MIN_PYTHON):
        found = f"{machine.python}; edgecat needs {_MIN_PYTHON}"
        return Finding("Python", "problem", found, NEW_SYSTEM)
    return Finding("Python", "ok", machine.python)


ENTRY = Check(25, one(check_python))
