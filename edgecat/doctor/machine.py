"""The facts about a machine that checks judge: its interpreter's, and files below a root."""

import dataclasses
import platform
import struct
from pathlib import Path

from edgecat.machine.cpu import list_features, read_cpuinfo
from edgecat.machine.packages import list_versions
from edgecat.runtime.engine import ENGINES
from edgecat.runtime.target import tell_target

# What mends many a fault of a machine.
NEW_SYSTEM = "install a newer system: Debian 12 or the 64-bit Raspberry Pi OS made of it"


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine, this one or one that a test describes.

    Attributes:
        machine: The kernel's architecture, as `uname -m` says it: "aarch64".
        bits: Of the interpreter: 32 on a 32-bit system, whatever the kernel.
        glibc: Version of the C library; empty where it is another one.
        python: Version of the interpreter.
        packages: Version of each installed package that edgecat stands on.
        root: Below it lie /proc and /sys.
    """

    machine: str
    bits: int
    glibc: str
    python: str
    packages: dict[str, str]
    root: Path = Path("/")

    @property
    def cpuinfo(self) -> dict[str, str]:
        """Return what the kernel says of the first processor."""
        return read_cpuinfo(self.root)

    @property
    def features(self) -> list[str]:
        """Return the processor's instructions that matter."""
        return list_features(self.cpuinfo)

    @property
    def target(self) -> str:
        """Return which of `edgecat.runtime.target.TARGETS` it is."""
        return tell_target(self.machine, self.features)

    @property
    def model(self) -> str:
        """Return what the board calls itself: "Raspberry Pi 4 Model B Rev 1.4"; else empty."""
        return (self.read("proc/device-tree/model") or "").rstrip("\0")

    def read(self, file: str) -> str | None:
        """Return a file below the root as text, None where it cannot be read."""
        try:
            return (self.root / file).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None


def read_machine() -> Machine:
    """Return this machine."""
    library, library_version = platform.libc_ver()
    engines = [entry.package for entry in ENGINES.load_all().values()]
    return Machine(
        machine=platform.machine(),
        bits=8 * struct.calcsize("P"),
        glibc=library_version if library == "glibc" else "",
        python=platform.python_version(),
        packages=list_versions(("numpy", "pillow", *engines)),
    )


def is_older(found: str, wanted: str) -> bool:
    """Return whether a version such as "2.31" is below another."""
    return _numbers(found) < _numbers(wanted)


def _numbers(found: str) -> list[int]:
    return [int(part) for part in found.split(".") if part.isdigit()]
