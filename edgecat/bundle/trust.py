"""Whose a bundle must be, and how old it may be, where that is asked for."""

from pathlib import Path

from edgecat.bundle.manifest import ModelSpec
from edgecat.errors import ConfigError


def check_signature(
    manifest: bytes, signature: bytes | None, signer: Path | None, where: str
) -> None:
    """Refuse a manifest that a required key did not sign, before anything in it is looked at.

    Args:
        manifest: Its bytes.
        signature: Of them; None where there is none.
        signer: Public Ed25519 key, a PEM file; None where no signature is required.
        where: What the manifest is of, for messages.

    Raises:
        SignatureError: Not signed by the owner of `signer`, that key cannot be read, or
            `cryptography` is not installed.
    """
    if signer is not None:
        from edgecat.bundle.signature import verify

        verify(manifest, signature, signer, where)


def check_age(
    spec: ModelSpec, manifest: bytes, signer: Path | None, where: str, *, allow_older: bool
) -> None:
    """Refuse a signed bundle that is older than what its owner's key was used for here.

    Args:
        spec: What its manifest says.
        manifest: The manifest's bytes.
        signer: As for `check_signature`, which comes first; None: nothing is known of its age.
        where: What the bundle is, for messages.
        allow_older: Take it all the same.

    Raises:
        RollbackError: It is older, or another bundle under the same number.
        StorageError: Which release was used cannot be read.
        ConfigError: `allow_older` without `signer`.
    """
    if signer is None and allow_older:
        raise ConfigError(
            "--allow-older: ages are told only of signed bundles; add --require-signature"
        )
    if signer is not None and not allow_older:
        from edgecat.bundle.used_releases import check_release

        check_release(spec.release, manifest, signer, where)
