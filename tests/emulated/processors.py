"""The processors of three Raspberry Pis, and what Linux tells of them in /proc and /sys.

QEMU emulates the processor but shows the host's /proc and /sys, in which ONNX Runtime reads what
it may use (and crashes at import where it finds an x86 machine), so each Pi gets files of its own.
"""

import dataclasses
from pathlib import Path

_NUM_CORES = 4
_CORES = f"0-{_NUM_CORES - 1}"
_ARM_LIMITED = 0x41


@dataclasses.dataclass(frozen=True)
class Processor:
    """A Pi's processor.

    Attributes:
        model: The board, as its device tree names it.
        qemu_cpu: What QEMU calls it.
        part: Arm's number of the design.
        variant: The first number of its release, r4p1 is 4.
        revision: The second.
        min_khz: Its slowest clock.
        max_khz: Its fastest clock.
        level2_kib: The size of its level 2 cache.
        features: What it can do, as /proc/cpuinfo spells it.
    """

    model: str
    qemu_cpu: str
    part: int
    variant: int
    revision: int
    min_khz: int
    max_khz: int
    level2_kib: int
    features: str

    @property
    def main_id(self) -> int:
        """The register MIDR_EL1, by which software tells processors apart."""
        implementer, architecture = _ARM_LIMITED << 24, 0xF << 16
        return implementer | self.variant << 20 | architecture | self.part << 4 | self.revision


# Source: Arm's technical reference manuals of these processors, and Raspberry Pi OS on the boards.
PROCESSORS = {
    "pi3": Processor(
        "Raspberry Pi 3 Model B Rev 1.2", "cortex-a53", 0xD03, 0, 4, 600_000, 1_200_000, 512,
        "fp asimd evtstrm crc32 cpuid",
    ),
    "pi4": Processor(
        "Raspberry Pi 4 Model B Rev 1.4", "cortex-a72", 0xD08, 0, 3, 600_000, 1_800_000, 1024,
        "fp asimd evtstrm crc32 cpuid",
    ),
    "pi5": Processor(
        "Raspberry Pi 5 Model B Rev 1.0", "cortex-a76", 0xD0B, 4, 1, 1_500_000, 2_400_000, 512,
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
    ),
}  # fmt: skip


def write_system_files(processor: Processor, sysroot: Path) -> None:
    """Write the files of /proc and /sys that tell a processor."""
    for name, text in _describe(processor).items():
        path = sysroot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def _describe(processor: Processor) -> dict[str, str]:
    cpus = "sys/devices/system/cpu"
    files = {
        "proc/cpuinfo": "\n".join(_cpuinfo(processor, core) for core in range(_NUM_CORES)),
        "proc/device-tree/model": processor.model,
        f"{cpus}/kernel_max": "255",
    }
    files |= {f"{cpus}/{which}": _CORES for which in ("possible", "present", "online")}
    for core in range(_NUM_CORES):
        one = _describe_core(processor, core)
        files |= {f"{cpus}/cpu{core}/{name}": text for name, text in one.items()}
    return files


def _cpuinfo(processor: Processor, core: int) -> str:
    return (
        f"processor\t: {core}\n"
        "BogoMIPS\t: 108.00\n"
        f"Features\t: {processor.features}\n"
        f"CPU implementer\t: {_ARM_LIMITED:#x}\n"
        "CPU architecture: 8\n"
        f"CPU variant\t: {processor.variant:#x}\n"
        f"CPU part\t: {processor.part:#x}\n"
        f"CPU revision\t: {processor.revision}\n"
    )


def _describe_core(processor: Processor, core: int) -> dict[str, str]:
    caches = [("Data", 1, 32), ("Instruction", 1, 32), ("Unified", 2, processor.level2_kib)]
    files = {
        "cpufreq/cpuinfo_min_freq": str(processor.min_khz),
        "cpufreq/cpuinfo_max_freq": str(processor.max_khz),
        "cpufreq/scaling_governor": "ondemand",
        "regs/identification/midr_el1": f"{processor.main_id:#018x}",
        "topology/physical_package_id": "0",
        "topology/core_id": str(core),
        "topology/core_siblings": "f",
        "topology/core_siblings_list": _CORES,
        "topology/package_cpus_list": _CORES,
        "topology/cluster_cpus_list": _CORES,
        "topology/thread_siblings_list": str(core),
    }
    for index, (kind, level, size_kib) in enumerate(caches):
        files |= {
            f"cache/index{index}/type": kind,
            f"cache/index{index}/level": str(level),
            f"cache/index{index}/size": f"{size_kib}K",
            f"cache/index{index}/coherency_line_size": "64",
            f"cache/index{index}/shared_cpu_list": _CORES if level == 2 else str(core),
        }
    return files
