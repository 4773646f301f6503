"""Has a Raspberry Pi been short of power, or too hot?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.machine.throttling import FLAGS, SINCE_START, name_flags, parse_flags, read_throttled

_UNDER_VOLTAGE, _THROTTLED = 1 << 0, 1 << 2


def check_throttling(machine: Machine) -> Finding | None:
    """What a Raspberry Pi says of its power and heat; None of another machine."""
    text = read_throttled(machine.root)
    if text is None and "Raspberry Pi" not in machine.model:
        return None
    flags = parse_flags(text)
    if flags is None:
        return Finding(
            "throttling", "warning", f"unknown, vcgencmd says {text or 'nothing'}",
            "sudo apt install raspi-utils, and sudo usermod -aG video for the user that asks",
        )  # fmt: skip
    now, past = name_flags(flags), name_flags(flags >> SINCE_START)
    if not now and not past:
        return Finding("throttling", "ok", "none since the start")
    found = f"{flags:#x}: now {', '.join(now) or 'nothing'}"
    if past:
        found += f"; since the start {', '.join(past)}"
    lacks_power = FLAGS[0] in (*now, *past)
    return Finding(
        "throttling",
        "problem" if flags & (_UNDER_VOLTAGE | _THROTTLED) else "warning",
        found,
        "use the power supply and the cable made for this Raspberry Pi"
        if lacks_power
        else "add a heat sink or a fan, or give it air",
    )


ENTRY = Check(70, one(check_throttling))
