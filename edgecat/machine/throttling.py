"""Whether a Raspberry Pi is, or has been, short of power or too hot, as it says itself."""

import subprocess
from pathlib import Path

# Source: raspberrypi.com, documentation of `vcgencmd get_throttled`. A bit says what is the case
# now, the same bit 16 places up that it was at some time since the start.
FLAGS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_START = 16

# The kernel's own file is deprecated: newer kernels show what somebody asked for last.
_VCGENCMD = "usr/bin/vcgencmd"
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"

_VCGENCMD_TIMEOUT_S = 10


def read_throttled(root: Path = Path("/")) -> str | None:
    """Return the flags as the machine writes them, "50005"; None where it has none.

    Args:
        root: Below it lie /sys and the Raspberry Pi's tool.
    """
    return _ask_vcgencmd(root) or _read_file(root)


def parse_flags(text: str | None) -> int | None:
    """Return flags as a number; None where there are none or they are none."""
    try:
        return int(text or "", 16)
    except ValueError:
        return None


def name_flags(flags: int) -> list[str]:
    """Return what is the case, of the lower 16 bits."""
    return [name for bit, name in FLAGS.items() if flags >> bit & 1]


def _ask_vcgencmd(root: Path) -> str | None:
    """Return "50005" where the tool answers "throttled=0x50005"; None where it does not."""
    try:
        done = subprocess.run(
            [root / _VCGENCMD, "get_throttled"],
            capture_output=True, text=True, check=True, timeout=_VCGENCMD_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().partition("=")[2] or None


def _read_file(root: Path) -> str | None:
    try:
        return (root / _THROTTLED_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
