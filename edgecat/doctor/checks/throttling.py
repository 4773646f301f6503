"""Has a Raspberry Pi been short of power, or too hot?"""

import subprocess

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine

# Source: raspberrypi.com, documentation of `vcgencmd get_throttled`. A bit says what is the case
# now, the same bit 16 places up that it was at some time since the start.
_FLAGS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_START = 16
_UNDER_VOLTAGE, _THROTTLED = 1 << 0, 1 << 2

# The kernel's own file is deprecated: newer kernels show what somebody asked for last.
_VCGENCMD = "usr/bin/vcgencmd"
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"

_VCGENCMD_TIMEOUT_S = 10


def check_throttling(machine: Machine) -> Finding | None:
    """What a Raspberry Pi says of its power and heat; None of another machine."""
    text = _ask_vcgencmd(machine) or machine.read(_THROTTLED_FILE)
    if text is None and "Raspberry Pi" not in machine.model:
        return None
    try:
        flags = int(text or "", 16)
    except ValueError:
        return Finding(
            "throttling", "warning", f"unknown, vcgencmd says {text or 'nothing'}",
            "sudo apt install raspi-utils, and sudo usermod -aG video for the user that asks",
        )  # fmt: skip
    now, past = _name(flags), _name(flags >> _SINCE_START)
    if not now and not past:
        return Finding("throttling", "ok", "none since the start")
    found = f"{flags:#x}: now {', '.join(now) or 'nothing'}"
    if past:
        found += f"; since the start {', '.join(past)}"
    lacks_power = _FLAGS[0] in (*now, *past)
    return Finding(
        "throttling",
        "problem" if flags & (_UNDER_VOLTAGE | _THROTTLED) else "warning",
        found,
        "use the power supply and the cable made for this Raspberry Pi"
        if lacks_power
        else "add a heat sink or a fan, or give it air",
    )


def _ask_vcgencmd(machine: Machine) -> str | None:
    """Return "50005" where the tool answers "throttled=0x50005"; None where it does not."""
    try:
        done = subprocess.run(
            [machine.root / _VCGENCMD, "get_throttled"],
            capture_output=True, text=True, check=True, timeout=_VCGENCMD_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("=")[2] or None


def _name(flags: int) -> list[str]:
    return [name for bit, name in _FLAGS.items() if flags >> bit & 1]


ENTRY = Check(70, one(check_throttling))
