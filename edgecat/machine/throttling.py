"""Whether a Raspberry Pi is, or has been, short of power or too hot, as it says itself."""

from pathlib import Path

from edgecat.machine.vcgencmd import ask_vcgencmd

# Source: raspberrypi.com, documentation of `vcgencmd get_throttled`. A bit says what is the case
# now, the same bit 16 places up that it was at some time since the start.
FLAGS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_START = 16

# The kernel's own file is deprecated: newer kernels show what somebody asked for last.
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"


def read_throttled(root: Path = Path("/")) -> str | None:
    """Return the flags as the machine writes them, "50005"; None where it has none.

    Args:
        root: Below it lie /sys and the Raspberry Pi's tool.
    """
    answer = ask_vcgencmd(root, "get_throttled")  # "throttled=0x50005"
    return (answer or "").partition("=")[2] or _read_file(root)


def parse_flags(text: str | None) -> int | None:
    """Return flags as a number; None where there are none or they are none."""
    try:
        return int(text or "", 16)
    except ValueError:
        return None


def name_flags(flags: int) -> list[str]:
    """Return what is the case, of the lower 16 bits."""
    return [name for bit, name in FLAGS.items() if flags >> bit & 1]


def _read_file(root: Path) -> str | None:
    try:
        return (root / _THROTTLED_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
