"""A bundle as one zip file: packed the same every time, unpacked without trust.

What is unpacked is written only under names that the manifest inside gives, and takes the place
of `out` only when every file has been found to be what the manifest says.
"""

import contextlib
import hashlib
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from edgecat import atomic
from edgecat.bundle.files import MAX_FILE_BYTES
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import (
    MANIFEST,
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
from edgecat.photos.zips import (
    ZipError,
    check_entry,
    check_growth,
    open_zip,
    read_chunks,
    read_entry,
)

# Fixed, so that the same bundle always makes the same bytes: the earliest time that zip can say.
_TIME = (1980, 1, 1, 0, 0, 0)

# A bundle has about ten files, and an entry of the directory about 100 bytes.
_MAX_DIRECTORY_BYTES = 64 * 2**10


def pack_bundle(name: str | Path, out: Path) -> Bundle:
    """Write a bundle, once it is verified, to a zip file.

    The same bundle makes the same bytes, on any machine: nothing is compressed (weights hardly
    shrink), and no time, order or owner gets in. A signature goes along.

    Args:
        name: A folder, or a released model's name.
        out: The file to make or replace. Its folder must exist.

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
    with (
        _bundle_errors(archive),
        open_zip(archive, max_directory_bytes=_MAX_DIRECTORY_BYTES) as packed,
    ):
        entries = _list_entries(packed, archive)
        if MANIFEST not in entries:
            raise BundleError(f"{archive}: no {MANIFEST} in it; {_MEND}")
        manifest = read_entry(packed, entries.pop(MANIFEST), MAX_MANIFEST_BYTES)
        signature = None
        if SIGNATURE in entries:
            signature = read_entry(packed, entries.pop(SIGNATURE), SIGNATURE_BYTES)
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
                    for chunk in read_chunks(packed, entries[name]):
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
def _bundle_errors(archive: Path) -> Iterator[None]:
    """Name the file and the mend in what is wrong with a zip file.

    Raises:
        BundleError: Something is.
    """
    try:
        yield
    except ZipError as error:
        raise BundleError(f"{archive}: {error}; {_MEND}") from error


def _list_entries(packed: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    # By name without folder, if all are plain files in the same one.
    entries: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for info in packed.infolist():
        # As it stands in the zip file: zipfile has cut its own copy of the name at a NUL.
        *above, name = info.orig_filename.split("/")
        folders.add(tuple(above))
        check_entry(info)
        problem = None
        if len(above) > 1 or above in ([""], ["."], [".."]):
            problem = "it is not in the bundle's folder"
        elif name in entries:
            problem = "it is there twice"
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
    check_growth(entries.values(), archive)
