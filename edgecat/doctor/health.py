"""How the machine is doing at the moment: clock, heat, power, memory."""

import subprocess

from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.machine.memory import read_free_memory

# Source: raspberrypi.com, "Frequency management and thermal control": from 80 degrees on, the
# processor is slowed down. Intel's limit is higher, but a fan is due at 80 as well.
_HOT_C = 80

# Source: raspberrypi.com, documentation of `vcgencmd get_throttled`. A bit says what is the case
# now, the same bit 16 places up that it was at some time since the start.
_FLAGS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_START = 16
_UNDER_VOLTAGE, _THROTTLED = 1 << 0, 1 << 2

# The kernel's own file is deprecated: newer kernels show what somebody asked for last.
_VCGENCMD = "usr/bin/vcgencmd"
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"

_VCGENCMD_TIMEOUT_S = 10

# What a process with a model in ONNX Runtime may take at its peak, and twice that, which is enough
# for OpenVINO, too. Source: benchmarks/results/*/memory.json, where it takes less; OpenVINO more.
_MIN_FREE_BYTES = 120_000_000
_GOOD_FREE_BYTES = 2 * _MIN_FREE_BYTES

_CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"

# With these drivers the processor itself raises the clock; "powersave" is their usual governor.
_SELF_CLOCKING = ("intel_pstate", "amd-pstate-epp")


def check_governor(machine: Machine) -> Finding:
    """A clock that rises under load."""
    governor = machine.read(f"{_CPUFREQ}/scaling_governor")
    if governor is None:
        return Finding("governor", "ok", "none: the clock is not Linux's to set")
    driver = machine.read(f"{_CPUFREQ}/scaling_driver")
    if governor == "powersave" and driver not in _SELF_CLOCKING:
        return Finding(
            "governor", "warning", "powersave keeps the clock at its lowest",
            "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )  # fmt: skip
    return Finding("governor", "ok", governor)


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


def check_memory(machine: Machine) -> Finding:
    """Enough for a model."""
    free = read_free_memory(machine.root)
    if free is None:
        return Finding("memory", "ok", "the kernel does not say what is free")
    text = f"{free.size_bytes / 1e6:.0f} MB free"
    if free.limit_bytes is not None:
        text += f" of the {free.limit_bytes / 1e6:.0f} MB that its control group may use"
    if free.size_bytes >= _GOOD_FREE_BYTES:
        return Finding("memory", "ok", text)
    return Finding(
        "memory",
        "problem" if free.size_bytes < _MIN_FREE_BYTES else "warning",
        f"{text}; a model takes up to {_MIN_FREE_BYTES / 1e6:.0f} MB in ONNX Runtime",
        "stop other programs, or boot without the desktop: sudo raspi-config"
        if free.limit_bytes is None
        else "grant the container or service more: docker run --memory, MemoryMax= in its unit",
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
