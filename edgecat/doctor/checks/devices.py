"""What engines can compute on beside the CPU, as their libraries say."""

from collections.abc import Iterator

from edgecat.doctor.check import Check
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.errors import EdgecatError
from edgecat.runtime.apart import run_apart
from edgecat.runtime.engine import ENGINES


def check_devices(machine: Machine) -> Iterator[Finding]:
    """The devices of each engine that has some and is installed: what --device accepts here."""
    for entry in ENGINES.load_all().values():
        if entry.devices is None or entry.package not in machine.packages:
            continue
        subject = f"devices of {entry.package}"
        try:
            found = run_apart(subject, entry.devices.find)
        except EdgecatError as error:
            yield Finding.of_error(subject, "warning", error, f"pip install {entry.requirement}")
        else:
            listed = ", ".join(f"{name} ({what})" for name, what in found.items())
            yield Finding(subject, "ok", listed)


ENTRY = Check(81, check_devices)
