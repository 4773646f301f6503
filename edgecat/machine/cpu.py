"""What this processor can do, as far as it decides which model to run."""

import platform
from pathlib import Path

#: Instructions that decide how fast int8 and bf16 are, as /proc/cpuinfo spells them (x86, Arm).
FEATURES = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "i8mm", "bf16", "fphp",
)  # fmt: skip

_VNNI = {"avx_vnni", "avx512_vnni", "amx_int8"}


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


def detect_target() -> str:
    """Return which of `edgecat.bundle.manifest.TARGETS` this is."""
    return tell_target(platform.machine(), list_features(read_cpuinfo()))


def tell_target(machine: str, features: list[str]) -> str:
    """Return which of `edgecat.bundle.manifest.TARGETS` a processor is; without VNNI, "x86-avx2".

    Args:
        machine: Its architecture: "x86_64", "aarch64".
        features: Those of `FEATURES` that it has.
    """
    if machine.lower() in ("aarch64", "arm64"):
        return "arm"
    return "x86-vnni" if _VNNI & set(features) else "x86-avx2"
