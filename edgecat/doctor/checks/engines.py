"""Are the inference engines installed, of a version that works here, and importable?"""

import importlib
from collections.abc import Iterator

from edgecat.doctor.check import Check
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import NEW_SYSTEM, Machine, is_older
from edgecat.errors import EdgecatError
from edgecat.runtime.apart import run_apart
from edgecat.runtime.engine import ENGINES, EngineEntry
from edgecat.runtime.library import find_requirement


def check_engines(machine: Machine) -> Iterator[Finding]:
    """Every engine that edgecat knows here."""
    for entry in ENGINES.load_all().values():
        yield check_engine(entry, machine)


def check_engine(entry: EngineEntry, machine: Machine) -> Finding:
    """One engine; any may be missing where another one is installed.

    Args:
        entry: Which.
        machine: Where it is, or is not, installed.
    """
    package, version = entry.package, machine.packages.get(entry.package)
    if version is None:
        return _judge_missing(entry, machine)
    for fault in entry.faults:
        if (fault.version, fault.machine) == (version, machine.machine):
            mend = f"pip install '{package}!={version}'"
            return Finding(package, "problem", f"{version} {fault.what}", mend)
    try:
        run_apart(f"import {package}", lambda: importlib.import_module(package).__name__)
    except EdgecatError as error:
        return Finding(package, "problem", f"{version}: {error}", _find_mend(entry))
    return Finding(package, "ok", version)


def _judge_missing(entry: EngineEntry, machine: Machine) -> Finding:
    others = [
        each.title for each in ENGINES.load_all().values() if each.package in machine.packages
    ]
    if entry.is_reference and not others:
        mend = f"pip install {entry.requirement}, in a fresh environment"
        return Finding(entry.package, "problem", "not installed", mend)
    wanted = entry.min_glibc.get(machine.machine, "")
    if wanted and machine.glibc and is_older(machine.glibc, wanted):
        found = f"not installed: it needs glibc {wanted} here, this is {machine.glibc}"
        mend = f"{NEW_SYSTEM}; or leave it: other variants run"
        return Finding(entry.package, "warning", found, mend)
    found = f"not installed, and only needed for variants named after it: {find_requirement(entry)}"
    return Finding(entry.package, "ok", found)


def _find_mend(entry: EngineEntry) -> str:
    if entry.is_reference:
        return f"pip install --force-reinstall {entry.package}"
    return f"pip uninstall {entry.package}, or install another version"


ENTRY = Check(80, check_engines)
