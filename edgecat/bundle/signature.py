"""Ed25519 keys and signatures; imported where one is made or required, and nowhere else.

Keys are PEM files as openssl reads and writes them: PKCS #8 for the private one, which signs, and
SubjectPublicKeyInfo for the public one, which proves. A signature is its 64 bytes and nothing else,
so that openssl checks it too:

    openssl pkeyutl -verify -pubin -inkey KEY.pub.pem -rawin -in bundle.json -sigfile bundle.sig
"""

import hashlib
import os
from pathlib import Path

from edgecat import atomic
from edgecat.errors import SignatureError, describe_reason

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )
except ImportError as missing:
    raise SignatureError(
        "cryptography is not installed, and keys and signatures need it; install it with "
        "pip install 'edgecat[sign]'"
    ) from missing

# A PEM file of an Ed25519 key has about 120 bytes; with comments, never more than this.
_MAX_KEY_BYTES = 64 * 2**10


def make_key(path: Path) -> Path:
    """Make a new pair of keys: the private one, which only its owner may read, and the public one.

    Args:
        path: Of the private key, such as "owner.pem". Its folder must exist.

    Returns:
        The path of the public key: "owner.pub.pem".

    Raises:
        SignatureError: One of the files exists: a key that is overwritten cannot be made again.
        StorageError: The disk is full or closed.
    """
    private = Ed25519PrivateKey.generate()
    public_path = path.with_suffix(".pub.pem")
    _write_new(
        public_path,
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        mode=0o644,
    )
    try:
        _write_new(
            path,
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            mode=0o600,
        )
    except BaseException:
        public_path.unlink()
        raise
    return public_path


def sign(data: bytes, key: Path) -> bytes:
    """Return the signature of some bytes, 64 bytes.

    Args:
        data: What is signed.
        key: The private key.

    Raises:
        SignatureError: The key cannot be read, or is none.
    """
    try:
        private = serialization.load_pem_private_key(_read_key(key), password=None)
    except TypeError as error:
        raise SignatureError(
            f"{key}: locked with a passphrase; give an unlocked copy, made with "
            f"'openssl pkey -in {key} -out UNLOCKED.pem'"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(_no_key(key, "private")) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SignatureError(_no_key(key, "private"))
    return private.sign(data)


def verify(data: bytes, signature: bytes | None, signer: Path, where: str) -> None:
    """Prove that the owner of a key signed some bytes.

    Args:
        data: What must have been signed.
        signature: Its signature; None where there is none.
        signer: The public key.
        where: What the bytes are of, for messages: a bundle's path.

    Raises:
        SignatureError: There is no signature, or it is another key's or of other bytes; or the
            public key cannot be read, or is none.
    """
    public = _load_public(signer)
    if signature is None:
        raise SignatureError(
            f"{where}: not signed, and a signature by the owner of {signer} is required; they "
            "make one with 'edgecat sign BUNDLE --key KEY.pem'"
        )
    try:
        public.verify(signature, data)
    except InvalidSignature as error:
        raise SignatureError(
            f"{where}: not signed by the owner of {signer}, or changed after that; get it again "
            "from them, signed with 'edgecat sign BUNDLE --key KEY.pem'"
        ) from error


def fingerprint(signer: Path) -> str:
    """Return the hex SHA-256 of a public key, the same in whatever file it stands.

    Raises:
        SignatureError: The key cannot be read, or is none.
    """
    return hashlib.sha256(_load_public(signer).public_bytes_raw()).hexdigest()


def _load_public(signer: Path) -> Ed25519PublicKey:
    pem = _read_key(signer)
    if b"PRIVATE KEY" in pem:
        raise SignatureError(
            f"{signer}: a private key; keep it where you sign, and give the public one "
            "(KEY.pub.pem) that 'edgecat keygen' wrote beside it"
        )
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(_no_key(signer, "public")) from error
    if not isinstance(public, Ed25519PublicKey):
        raise SignatureError(_no_key(signer, "public"))
    return public


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_KEY_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SignatureError(
            f"{path}: the key cannot be read ({describe_reason(error)}); 'edgecat keygen' makes a "
            "new pair"
        ) from error
    if len(pem) > _MAX_KEY_BYTES:
        raise SignatureError(f"{path}: larger than {_MAX_KEY_BYTES} bytes, so no key")
    return pem


def _no_key(path: Path, kind: str) -> str:
    return (
        f"{path}: no {kind} Ed25519 key in PEM form; 'edgecat keygen' and "
        "'openssl genpkey -algorithm ed25519' make such keys"
    )


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with atomic.storage_errors(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError as error:
            raise SignatureError(
                f"{path}: exists, and keys are never overwritten; give --out another name"
            ) from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise
