"""A new release of an owner is remembered once it has proven itself on this device."""

from pathlib import Path

from edgecat.bundle.store import Bundle
from edgecat.bundle.used_releases import find_used_release, remember_release
from edgecat.runtime.device import CPU
from edgecat.runtime.engine import Engine
from edgecat.runtime.selftest import run_self_test


def adopt_release(bundle: Bundle, engine: Engine, signer: Path, device: str = CPU) -> None:
    """Remember a bundle's release as the newest that was used here, if it is.

    Not before its self-test, and not with a damaged file in it, used or not: a broken bundle with a
    high number would lock out all good ones.

    Args:
        bundle: Opened, and signed by the owner of `signer`. Without a number, nothing is done.
        engine: One of its variants, open.
        signer: Public key, a PEM file.
        device: On which the engine is.

    Raises:
        SelfTestError: As `run_self_test`.
        BundleError: The same, or a file is damaged.
        RollbackError: Another process has used a newer release meanwhile.
        StorageError: The release cannot be remembered.
    """
    release, used = bundle.spec.release, find_used_release(signer)
    if release is None or (used is not None and used.release == release):
        return
    bundle.prove_all()
    run_self_test(bundle, engine, device)
    remember_release(release, bundle.manifest, signer, bundle.name)
