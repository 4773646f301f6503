"""A Raspberry Pi's own tool, which tells what Linux does not know of the board."""

import subprocess
from pathlib import Path

_TOOL = "usr/bin/vcgencmd"
_TIMEOUT_S = 10


def ask_vcgencmd(root: Path, question: str) -> str | None:
    """Return what the tool answers, "throttled=0x50005"; None where it does not.

    Args:
        root: Below it lies the tool.
        question: One of those that `vcgencmd commands` lists.
    """
    try:
        done = subprocess.run(
            [root / _TOOL, question],
            capture_output=True, text=True, check=True, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()
