"""The newest release of each owner that was used on this device: no older one is taken after it.

A signature alone stays right for ever, so that whoever can put files on a device could give it an
old bundle back, with the faults that the newer one mended. As in The Update Framework, numbers only
go up, a number stands for one content, and one is remembered only when all of its bundle was found
good. Unlike there nothing expires: a device that is kept from new bundles goes on with its own.
Source: theupdateframework.github.io/specification, 5.3 to 5.6, "check for a rollback attack".

What is remembered is a file for each public key. The first bundle of an owner is taken whatever its
number; and so it is again for whoever may remove that file.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path

from edgecat import atomic
from edgecat.bundle.release import Release
from edgecat.errors import RollbackError, StorageError
from edgecat.machine.state import find_state_folder
from edgecat.strict import build, read_json, to_json

_MAX_RECORD_BYTES = 64 * 2**10


@dataclasses.dataclass(frozen=True)
class UsedRelease:
    """The newest release of an owner that was used here.

    Attributes:
        release: Its number and date.
        manifest_sha256: Hex SHA-256 of the bundle's manifest, and so of all of it.
    """

    release: Release
    manifest_sha256: str


def find_used_release(signer: Path) -> UsedRelease | None:
    """Return the newest release of an owner that was used here; None if there was none.

    Args:
        signer: The owner's public key, a PEM file.

    Raises:
        StorageError: What was remembered cannot be read.
        SignatureError: The key cannot be read.
    """
    return _read(_record_path(signer))


def check_release(release: Release | None, manifest: bytes, signer: Path, where: str) -> None:
    """Refuse a bundle that is older than what was used here.

    Args:
        release: What its manifest says; None of one that was signed without a number.
        manifest: The manifest's bytes.
        signer: Public key of its owner, who has signed it.
        where: What the bundle is, for messages.

    Raises:
        RollbackError: It is older, or another bundle under the same number.
        StorageError: What was remembered cannot be read.
    """
    _compare(find_used_release(signer), release, manifest, where)


def remember_release(release: Release, manifest: bytes, signer: Path, where: str) -> None:
    """Remember a release as the newest that was used here; call it when its bundle was found good.

    Args:
        release: As for `check_release`.
        manifest: The same.
        signer: The same.
        where: The same.

    Raises:
        RollbackError: Another process has used a newer one meanwhile.
        StorageError: It cannot be remembered.
    """
    path = _record_path(signer)
    with _locked(path):
        used = _read(path)
        _compare(used, release, manifest, where)
        now = UsedRelease(release, _hash(manifest))
        if now != used:
            atomic.write_text(path, to_json(dataclasses.asdict(now), indent=1) + "\n")


def _compare(
    used: UsedRelease | None, release: Release | None, manifest: bytes, where: str
) -> None:
    if used is None:
        return
    newest = used.release
    if release is None or release.number < newest.number:
        found = release.describe() if release is not None else "without a number"
        raise RollbackError(
            f"{where}: {found}, but {newest.describe()} by the same owner was used here; get that "
            "one or a newer one, let the owner sign this one again ('edgecat sign'), or take it "
            "this time with --allow-older"
        )
    if release.number == newest.number and _hash(manifest) != used.manifest_sha256:
        raise RollbackError(
            f"{where}: {release.describe()}, but another bundle with that number was used here; "
            "let the owner sign this one again ('edgecat sign'), each of several models with a "
            "key of its own; or take it this time with --allow-older"
        )


def _hash(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()


def _record_path(signer: Path) -> Path:
    from edgecat.bundle.signature import fingerprint  # needs cryptography, as all that is signed

    return _find_folder() / f"release-{fingerprint(signer)}.json"


def _find_folder() -> Path:
    try:
        return find_state_folder()
    except StorageError as error:
        raise StorageError(f"{error}, or do without the memory: --allow-older") from error


_MEND = (
    "let XDG_STATE_HOME name a folder that lasts and that this user may write to, or do without "
    "the memory: --allow-older"
)


def _read(path: Path) -> UsedRelease | None:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_RECORD_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"{path}: which release was used last cannot be read ({error.strerror}); {_MEND}"
        ) from error
    try:
        values = read_json(data, "damaged", StorageError)
        return build(UsedRelease, values, "damaged", StorageError)
    except StorageError as error:
        raise StorageError(
            f"{path}: which release was used last cannot be told ({error}); remove this file to "
            "begin anew with the next bundle, or do without it: --allow-older"
        ) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time compare and write.

    Raises:
        StorageError: The folder or file may not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise StorageError(
            f"{path}: the release cannot be remembered ({error.strerror}); {_MEND}"
        ) from error
