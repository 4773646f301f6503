"""What this processor can do, as far as it decides which model to run."""

import platform
from pathlib import Path

#: Instructions that decide how fast int8 and bf16 are, as /proc/cpuinfo spells them (x86, Arm).
FEATURES = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "i8mm", "bf16", "fphp",
)  # fmt: skip


def read_cpuinfo(root: Path = Path("/")) -> dict[str, str]:
    """Return the fields of the first processor in /proc/cpuinfo; {} where there is none.

    Args:
        root: Below it lies proc/cpuinfo.
    """
    fields: dict[str, str] = {}
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return fields
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields


def list_features(cpuinfo: dict[str, str]) -> list[str]:
    """Return those of `FEATURES` that a processor has."""
    flags = (cpuinfo.get("flags") or cpuinfo.get("Features") or "").split()
    return [name for name in FEATURES if name in flags]


def name_processor(cpuinfo: dict[str, str]) -> str:
    """Return what a processor, or the board around it, calls itself; may be empty.

    Args:
        cpuinfo: As `read_cpuinfo` returns it: x86 has a "model name", a Raspberry Pi a "Model".
    """
    return cpuinfo.get("model name") or cpuinfo.get("Model") or platform.processor()
