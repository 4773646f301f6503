"""All that `edgecat doctor` looks at, in order."""

from collections.abc import Iterator
from pathlib import Path

from edgecat.doctor.check import CHECKS
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine, read_machine
from edgecat.doctor.variants import check_bundle


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
    for check in sorted(CHECKS.load_all().values(), key=lambda check: check.place):
        yield from check.look(machine)
    if bundle is not None:
        yield from check_bundle(bundle, machine, signer=signer, allow_older=allow_older)
