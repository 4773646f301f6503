"""Is there enough memory for a model?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.machine.memory import read_free_memory

# What a process with a model in ONNX Runtime may take at its peak, and twice that, which is enough
# for OpenVINO, too. Source: benchmarks/results/*/memory.json, where it takes less; OpenVINO more.
_MIN_FREE_BYTES = 120_000_000
_GOOD_FREE_BYTES = 2 * _MIN_FREE_BYTES


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
        f"{text}; a model takes up to {_MIN_FREE_BYTES / 1e6:.0f} MB",
        "stop other programs, or boot without the desktop: sudo raspi-config"
        if free.limit_bytes is None
        else "grant the container or service more: docker run --memory, MemoryMax= in its unit",
    )


ENTRY = Check(40, one(check_memory))
