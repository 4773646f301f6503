"""With how many threads do models compute here, and what decides that?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.machine.cores import Cores, read_cores


def check_cores(machine: Machine) -> Finding:
    """At least one whole processor, of which the kernel takes nothing back."""
    cores = read_cores(machine.root)
    found = f"{cores.num_threads} for a model: {_explain(cores)}"
    if cores.quota is not None and cores.quota < 1:
        return Finding(
            "threads", "warning", f"{found}; the kernel stops it in the midst of answers",
            "grant the container or service a whole processor: docker run --cpus 1, CPUQuota=100%",
        )  # fmt: skip
    return Finding("threads", "ok", found)


def _explain(cores: Cores) -> str:
    if cores.bound == "quota":
        return f"the CPU quota of its container or service is {cores.quota:g}"
    if cores.bound == "affinity":
        return f"its affinity allows {cores.num_allowed} of {cores.num_physical} physical cores"
    return "one for each physical core"


ENTRY = Check(35, one(check_cores))
