"""Is it cool enough for the full clock?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.machine.conditions import read_temperature_c

# Source: raspberrypi.com, "Frequency management and thermal control": from 80 degrees on, the
# processor is slowed down. Intel's limit is higher, but a fan is due at 80 as well.
_HOT_C = 80


def check_temperature(machine: Machine) -> Finding:
    """Cool enough for the full clock."""
    temperature_c = read_temperature_c(machine.root)
    if temperature_c is None:
        return Finding("temperature", "ok", "no sensor to be read")
    found = f"{temperature_c:.0f} degrees Celsius"
    if temperature_c >= _HOT_C:
        found += f"; from {_HOT_C} on the clock is lowered"
        return Finding("temperature", "warning", found, "add a heat sink or a fan, or give it air")
    return Finding("temperature", "ok", found)


ENTRY = Check(60, one(check_temperature))
