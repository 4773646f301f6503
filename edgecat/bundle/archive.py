"""A bundle as one zip file: packed the same every time, unpacked without trust.

What is unpacked is written only under names that the manifest inside gives, and takes the place
of `out` only when every file has been found to be what the manifest says.
"""

import contextlib
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgecat import atomic
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import (
    MANIFEST,
    MAX_FILE_BYTES,
    MAX_MANIFEST_BYTES,
    SIGNATURE,
    SIGNATURE_BYTES,
    Bundle,
    check_replaceable,
    load_bundle,
    new_bundle,
    parse_manifest,
)
from edgecat.bundle.trust import check_age, check_signature
from edgecat.errors import BundleError

# Fixed, so that the same bundle always makes the same bytes: the earliest time that zip can say.
_TIME = (1980, 1, 1, 0, 0, 0)

# A bundle has about ten files, and an entry of the directory about 100 bytes. zipfile makes an
# object of each entry before anyone can look at one, so the limit is applied before it is called.
_MAX_DIRECTORY_BYTES = 64 * 2**10

# Weights shrink by a quarter at best, JSON and XML to a fifteenth; zeros to a thousandth.
_MAX_RATIO = 100

_CHUNK_BYTES = 2**20

# Source: APPNOTE.TXT 6.3.10, 4.3.16: a zip file without a comment ends with this record; only in
# front of it may a zip64 locator (4.3.15) stand, which a bundle is too small for.
_END = struct.Struct("<4s8xL4x2s")
_END_MARK, _NO_COMMENT = b"PK\5\6", b"\0\0"
_LOCATOR_BYTES, _LOCATOR_MARK = 20, b"PK\6\7"

# All that zipfile is known to raise on a damaged file.
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError, RuntimeError,
    ValueError,
)  # fmt: skip


def pack_bundle(name: str | Path, out: Path) -> Bundle:
    """Write a bundle, once it is verified, to a zip file.

    The same bundle makes the same bytes, on any machine: nothing is compressed (weights hardly
    shrink), and no time, order or owner gets in. A signature goes along.

    Args:
        name: A folder, or a released model's name.
        out: The file to make or replace.

    Returns:
        The bundle.

    Raises:
        BundleError: No bundle there, or a damaged one; or `out` stands inside of it, or is
            something that is no zip file.
        StorageError: The disk is full or closed.
    """
    bundle = load_bundle(name)
    if out.exists() and not (out.is_file() and zipfile.is_zipfile(out)):
        raise BundleError(f"{out}: exists and is no zip file; give --out another name")
    if out.parent.resolve() == bundle.path.resolve():
        raise BundleError(f"{out}: a bundle holds only its own files; give --out another folder")

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
            for entry, data in bundle.contents():
                info = zipfile.ZipInfo(entry, _TIME)
                info.create_system = 3  # Unix, wherever it was packed
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                packed.writestr(info, data)

    with atomic.storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_file(out, write)
    return bundle


def unpack_bundle(
    archive: Path, out: Path, *, signer: Path | None = None, allow_older: bool = False
) -> ModelSpec:
    """Make a bundle of a zip file, whoever made that; on any doubt, make nothing.

    Args:
        archive: The zip file: the bundle's files, or one folder with them.
        out: The bundle to make or, in one step, to replace.
        signer: Public Ed25519 key, a PEM file, whose owner must have signed the bundle.
        allow_older: As for `edgecat.bundle.store.load_bundle`.

    Returns:
        The manifest of the new bundle.

    Raises:
        BundleError: Not a zip file, or one that is damaged, encrypted, or has other entries than
            its manifest names, more bytes, or other ones; or `out` is something that is no bundle.
        SignatureError: As `edgecat.bundle.store.load_bundle`.
        RollbackError: The same.
        ConfigError: The same.
        StorageError: The disk is full or closed; what stood at `out` is untouched.
    """
    check_replaceable(out)
    with _open_zip(archive) as packed:
        entries = _list_entries(packed, archive)
        if MANIFEST not in entries:
            raise BundleError(f"{archive}: no {MANIFEST} in it; {_MEND}")
        manifest = _read(packed, entries.pop(MANIFEST), MAX_MANIFEST_BYTES)
        signature = None
        if SIGNATURE in entries:
            signature = _read(packed, entries.pop(SIGNATURE), SIGNATURE_BYTES)
            if len(signature) != SIGNATURE_BYTES:
                raise BundleError(f"{archive}: {SIGNATURE}: no signature; {_MEND}")
        check_signature(manifest, signature, signer, str(archive))
        spec = parse_manifest(manifest, f"{archive}: {MANIFEST}")
        check_age(spec, manifest, signer, str(archive), allow_older=allow_older)
        _check_entries(entries, spec, archive)
        with new_bundle(out) as folder:
            (folder / MANIFEST).write_bytes(manifest)
            if signature is not None:
                (folder / SIGNATURE).write_bytes(signature)
            for name, record in spec.files.items():
                sha256 = hashlib.sha256()
                with (folder / name).open("xb") as file:
                    for chunk in _read_chunks(packed, entries[name]):
                        sha256.update(chunk)
                        file.write(chunk)
                if sha256.hexdigest() != record.sha256:
                    raise BundleError(
                        f"{archive}: {name}: its SHA-256 is not the manifest's: the file was "
                        f"changed or damaged; {_MEND}"
                    )
    return spec


_MEND = "get it again, or make it with 'edgecat bundle pack BUNDLE --out FILE.zip'"


@contextlib.contextmanager
def _open_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        if not archive.is_file():
            raise BundleError(f"{archive}: no such zip file; {_MEND}")
        file = archive.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise BundleError(f"{archive}: cannot be read ({reason})") from error
    with file:
        _check_directory(file, archive)
        try:
            packed = zipfile.ZipFile(file)
        except _ZIP_ERRORS as error:
            raise BundleError(f"{archive}: a damaged zip file ({error}); {_MEND}") from error
        with packed:
            yield packed


def _check_directory(file: IO[bytes], archive: Path) -> None:
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, size_bytes - _END.size - _LOCATOR_BYTES))
    locator, end = (tail := file.read())[: -_END.size], tail[-_END.size :]
    mark, directory_bytes, comment = _END.unpack(end) if len(end) == _END.size else (b"", 0, b"")
    if mark != _END_MARK or comment != _NO_COMMENT or locator.startswith(_LOCATOR_MARK):
        raise BundleError(f"{archive}: no zip file of a bundle, or cut off; {_MEND}")
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        raise BundleError(f"{archive}: more entries than a bundle has; {_MEND}")


def _list_entries(packed: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    # By name without folder, if all are plain files in the same one.
    entries: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for info in packed.infolist():
        # As it stands in the zip file: zipfile has cut its own copy of the name at a NUL.
        *above, name = info.orig_filename.split("/")
        folders.add(tuple(above))
        kind = stat.S_IFMT(info.external_attr >> 16)
        problem = None
        if len(above) > 1 or above in ([""], ["."], [".."]):
            problem = "it is not in the bundle's folder"
        elif name in entries:
            problem = "it is there twice"
        elif kind not in (0, stat.S_IFREG if name else stat.S_IFDIR):
            problem = "it is a link or a device"
        elif info.flag_bits & 1:
            problem = "it is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = "it is compressed in another way than zip files usually are"
        if problem is not None:
            raise BundleError(f"{archive}: entry {info.orig_filename!r}: {problem}; {_MEND}")
        if name:
            entries[name] = info
    if len(folders) > 1:
        raise BundleError(f"{archive}: files in several folders; {_MEND}")
    return entries


def _check_entries(entries: dict[str, zipfile.ZipInfo], spec: ModelSpec, archive: Path) -> None:
    if extra := set(entries) - set(spec.files):
        raise BundleError(f"{archive}: not in the manifest: {', '.join(map(repr, sorted(extra)))}")
    if missing := set(spec.files) - set(entries):
        raise BundleError(f"{archive}: missing: {', '.join(sorted(missing))}; {_MEND}")
    for name, record in spec.files.items():
        declared_bytes = entries[name].file_size
        if declared_bytes != record.size_bytes or declared_bytes > MAX_FILE_BYTES:
            raise BundleError(
                f"{archive}: {name}: {declared_bytes} bytes, the manifest says "
                f"{record.size_bytes}, and at most {MAX_FILE_BYTES} are accepted; {_MEND}"
            )
    if sum(info.file_size for info in entries.values()) > _MAX_RATIO * archive.stat().st_size:
        raise BundleError(f"{archive}: grows more than {_MAX_RATIO}-fold when unpacked; {_MEND}")


def _read(packed: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    if info.file_size > max_bytes:
        raise BundleError(f"{packed.filename}: {info.filename}: larger than {max_bytes} bytes")
    return b"".join(_read_chunks(packed, info))


def _read_chunks(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    # Never more than the entry declares, and an error where it is less.
    left_bytes = info.file_size
    try:
        with packed.open(info) as file:
            while chunk := file.read(_CHUNK_BYTES):
                left_bytes -= len(chunk)
                yield chunk
    except _ZIP_ERRORS as error:
        raise BundleError(
            f"{packed.filename}: {info.filename}: damaged ({error}); {_MEND}"
        ) from error
    if left_bytes:
        raise BundleError(f"{packed.filename}: {info.filename}: cut off; {_MEND}")
