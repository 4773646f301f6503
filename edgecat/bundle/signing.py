"""Making a bundle a release of its owner."""

import dataclasses
from pathlib import Path

from edgecat.bundle.manifest import SCHEMA_MINOR
from edgecat.bundle.release import Release, next_release
from edgecat.bundle.store import ASSETS, load_bundle, new_bundle
from edgecat.errors import BundleError
from edgecat.typed import command_line


def sign_bundle(path: Path, key: Path, *, number: int | None = None) -> Release:
    """Make a bundle a release of its owner: with a number, a date and a signature of all of it.

    Args:
        path: Its folder, which is replaced by its signed copy in one step.
        key: Private Ed25519 key, a PEM file.
        number: As for `edgecat.bundle.release.next_release`.

    Returns:
        The release that it is now.

    Raises:
        BundleError: No bundle there, or a damaged one, or one of edgecat's own, or of a newer
            edgecat, or `number` is not above the number that it has.
        SignatureError: The key cannot be read, or `cryptography` is not installed.
        StorageError: The disk is full or closed.
    """
    bundle = load_bundle(path)
    if bundle.path.resolve().parent == ASSETS.resolve():
        raise BundleError(
            f"{path}: belongs to edgecat; sign a copy: "
            f"{command_line('bundle', 'pack', path, '--out', f'{path}.zip')} && "
            f"{command_line('bundle', 'unpack', f'{path}.zip', '--out', 'BUNDLE')}"
        )
    from edgecat.bundle.signature import sign

    if bundle.spec.schema_minor > SCHEMA_MINOR:
        raise BundleError(f"{path}: made by a newer edgecat; sign it with that one")
    try:
        release = next_release(bundle.spec.release, number)
    except ValueError as error:
        raise BundleError(f"{path}: --release: {error}") from error
    # All keys of this minor version are written, so it is this one from now on.
    spec = dataclasses.replace(bundle.spec, release=release, schema_minor=SCHEMA_MINOR)
    manifest = spec.to_json().encode()
    signed = dataclasses.replace(bundle, manifest=manifest, signature=sign(manifest, key))
    with new_bundle(bundle.path) as folder:
        for file, data in signed.contents():
            (folder / file).write_bytes(data)
    return release
