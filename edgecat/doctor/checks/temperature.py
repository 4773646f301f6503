"""Is it cool enough for the full clock?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine

# Source: raspberrypi.com, "Frequency management and thermal control": from 80 degrees on, the
# processor is slowed down. Intel's limit is higher, but a fan is due at 80 as well.
_HOT_C = 80


def check_temperature(machine: Machine) -> Finding:
    """Cool enough for the full clock."""
    zones = sorted((machine.root / "sys/class/thermal").glob("thermal_zone*/temp"))
    texts = [machine.read(str(zone.relative_to(machine.root))) or "" for zone in zones]
    temperatures_c = [int(text) / 1000 for text in texts if text.lstrip("-").isdigit()]
    if not temperatures_c:
        return Finding("temperature", "ok", "no sensor to be read")
    found = f"{max(temperatures_c):.0f} degrees Celsius"
    if max(temperatures_c) >= _HOT_C:
        found += f"; from {_HOT_C} on the clock is lowered"
        return Finding("temperature", "warning", found, "add a heat sink or a fan, or give it air")
    return Finding("temperature", "ok", found)


ENTRY = Check(60, one(check_temperature))
