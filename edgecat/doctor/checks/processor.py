"""What has the processor for integers and short floats, and what does that favour?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.runtime.target import TARGETS

# Feature -> what it is; those of x86 first.
_MEANINGS = {
    "avx512_vnni": "VNNI",
    "avx_vnni": "VNNI",
    "amx_int8": "AMX",
    "asimddp": "dot product",
    "i8mm": "int8 matrix products",
    "avx512_bf16": "bf16",
    "bf16": "bf16",
    "fphp": "fp16",
}


def check_processor(machine: Machine) -> Finding:
    """The instructions that decide which variant is fast."""
    features = machine.features
    names = dict.fromkeys(_MEANINGS[name] for name in features if name in _MEANINGS)
    name = machine.cpuinfo.get("model name") or machine.model or machine.machine
    found = f"{name}: {', '.join(names) or 'neither VNNI, dot product, bf16 nor fp16'}"
    if machine.machine == "x86_64" and "avx2" not in features:
        return Finding(
            "processor", "warning", f"{found}; no AVX2, models are several times slower",
            "use a processor from 2013 or later; in a virtual machine, pass the host's through",
        )  # fmt: skip
    advice = TARGETS.load(machine.target).advice
    return Finding("processor", "ok", f"{found}; {advice(machine.features)}")


ENTRY = Check(30, one(check_processor))
