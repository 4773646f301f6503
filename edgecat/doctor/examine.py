"""All that `edgecat doctor` looks at, in order."""

from collections.abc import Iterator
from pathlib import Path

from edgecat.doctor.cores import check_cores
from edgecat.doctor.finding import Finding
from edgecat.doctor.health import (
    check_governor,
    check_memory,
    check_temperature,
    check_throttling,
)
from edgecat.doctor.machine import Machine, read_machine
from edgecat.doctor.packages import check_onnxruntime, check_openvino
from edgecat.doctor.processor import check_processor
from edgecat.doctor.system import check_glibc, check_python, check_system
from edgecat.doctor.variants import check_bundle

_CHECKS = (
    check_system, check_glibc, check_python, check_processor, check_cores, check_memory,
    check_governor, check_temperature, check_throttling, check_onnxruntime, check_openvino,
)  # fmt: skip


def examine(
    bundle: str | Path | None = None,
    machine: Machine | None = None,
    *,
    signer: Path | None = None,
    allow_older: bool = False,
) -> Iterator[Finding]:
    """Yield what is found, each finding as soon as it is known.

    Engines are imported and tried in copies of this process, so that a crash is a finding. Call it
    before threads are started.

    Args:
        bundle: A folder or a released model's name, to be tried too.
        machine: What to judge; None for this one.
        signer: As for `edgecat.bundle.store.load_bundle`.
        allow_older: The same.
    """
    machine = machine or read_machine()
    for check in _CHECKS:
        finding = check(machine)
        if finding is not None:
            yield finding
    if bundle is not None:
        yield from check_bundle(bundle, machine.target, signer=signer, allow_older=allow_older)
