"""A bundle: a folder with `bundle.json` and the files it names, each proven by its SHA-256.

A signature, `bundle.sig`, may stand beside them. It is of the bytes of `bundle.json` and, through
the SHA-256 in there, of every file.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgecat import atomic
from edgecat.bundle.files import check_size, prove, read_plain, read_proven, size_bytes
from edgecat.bundle.gzipped import decompress
from edgecat.bundle.manifest import NOT_IN_MANIFEST, ModelSpec
from edgecat.bundle.trust import check_age, check_signature
from edgecat.errors import BundleError
from edgecat.typed import command_line

MANIFEST, SIGNATURE = NOT_IN_MANIFEST

#: The released models, each a bundle inside the package.
ASSETS = Path(__file__).parents[1] / "assets"

#: A manifest of 1,000 labels and its provenance is about 100 kB.
MAX_MANIFEST_BYTES = 16 * 2**20

#: Source: RFC 8032, section 5.1.6.
SIGNATURE_BYTES = 64


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest reads, and of whose files none is used unproven.

    Attributes:
        path: Its folder.
        spec: Its manifest.
        manifest: The manifest's bytes as they stand in the folder: what a signature is of.
        signature: 64 bytes; None where it is not signed.
    """

    path: Path
    spec: ModelSpec
    manifest: bytes
    signature: bytes | None

    @property
    def name(self) -> str:
        """Return what people call it by: what it was opened by, as that was given."""
        return _tell(self.path)

    def read(self, file: str) -> bytes:
        """Return a file's bytes as they lie there, proven to be what the manifest says.

        Raises:
            BundleError: The file is missing or changed.
        """
        return read_proven(self.path, file, self.spec.files)

    def model_files(self, variant: str) -> Sequence[bytes]:
        """Return a variant's files, the graph first, as its engine takes them: none is compressed.

        Each is read when it is asked for, and held no longer than by whoever asked: weights that
        an engine has a copy of were a tenth of what a process took at most.

        Raises:
            BundleError: There is no such variant. And later, where a file is read: it is missing,
                changed, or cannot be decompressed.
        """
        return _ModelFiles(self, self.spec.variant(variant).files)

    def prove_all(self) -> None:
        """Prove every file, used or not.

        Raises:
            BundleError: One is missing or changed.
        """
        for file in self.spec.files:
            prove(self.path, file, self.spec.files)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the bytes of every file: the manifest, a signature, then by name.

        Raises:
            BundleError: A file is missing or changed.
        """
        yield MANIFEST, self.manifest
        if self.signature is not None:
            yield SIGNATURE, self.signature
        for file in sorted(self.spec.files):
            yield file, self.read(file)


class _ModelFiles(Sequence[bytes]):
    """What `Bundle.model_files` returns."""

    def __init__(self, bundle: Bundle, names: Sequence[str]) -> None:
        self._bundle, self._names = bundle, names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, place: Any) -> Any:
        name = self._names[place]
        return decompress(str(self._bundle.path / name), self._bundle.read(name))


def find_bundle(name: str | Path) -> Path:
    """Return the folder of a bundle: a path as it is, or a released model by its name.

    Raises:
        BundleError: Neither a folder nor a released model.
    """
    path = Path(name)
    released = ASSETS / str(name)
    if not path.exists() and str(name) in released_names():
        return released
    if path.is_file():
        unpack = command_line("bundle", "unpack", path, "--out", "BUNDLE")
        raise BundleError(
            f"{name}: a file, and a bundle is a folder; if it is a packed one, unpack it: {unpack}"
        )
    if not path.is_dir():
        raise BundleError(
            f"{name}: no such bundle; give the folder that 'edgecat export' wrote, or the name of "
            f"a released model: {', '.join(released_names()) or 'none in this build'}"
        )
    return path


def _tell(path: Path) -> str:
    """Return a bundle's folder as people give it: of a released model, its name."""
    return path.name if path.parent.resolve() == ASSETS.resolve() else str(path)


def released_names() -> tuple[str, ...]:
    """Return the names of the models that ship in the package."""
    return tuple(sorted(manifest.parent.name for manifest in ASSETS.glob(f"*/{MANIFEST}")))


def open_bundle(
    name: str | Path, *, signer: Path | None = None, allow_older: bool = False
) -> Bundle:
    """Read a bundle's manifest; its files, which have to be there, are proven when they are read.

    So a device that opens one variant of eight neither reads nor proves the other seven
    (`benchmarks/engines/memory.py` measures what that takes).

    Args:
        name: A folder, or a released model's name.
        signer: Public Ed25519 key, a PEM file, whose owner must have signed the bundle; None to
            take any bundle, signed or not.
        allow_older: Take a bundle although one that its owner released later was used here.

    Raises:
        BundleError: No bundle there, a manifest that does not read, a file that is missing, of
            another size, a link or not in the manifest.
        SignatureError: Not signed by the owner of `signer`, that key cannot be read, or
            `cryptography` is not installed.
        RollbackError: Older than the newest release of that owner that was used here.
        StorageError: Which one that is cannot be read.
        ConfigError: `allow_older` without `signer`.
    """
    path = find_bundle(name)
    manifest = _read_manifest(path)
    signature = _read_signature(path)
    check_signature(manifest, signature, signer, _tell(path))
    spec = parse_manifest(manifest, str(path / MANIFEST))
    check_age(spec, manifest, signer, _tell(path), allow_older=allow_older)
    _check_alone(path, spec)
    for file in spec.files:
        check_size(path, file, spec.files)
    return Bundle(path, spec, manifest, signature)


def load_bundle(
    name: str | Path, *, signer: Path | None = None, allow_older: bool = False
) -> Bundle:
    """Open a bundle and prove all of its files.

    Args:
        name: As for `open_bundle`.
        signer: As for `open_bundle`.
        allow_older: As for `open_bundle`.

    Raises:
        BundleError: As `open_bundle`, or a file was changed.
        SignatureError: As `open_bundle`.
        RollbackError: As `open_bundle`.
        StorageError: As `open_bundle`.
        ConfigError: As `open_bundle`.
    """
    bundle = open_bundle(name, signer=signer, allow_older=allow_older)
    bundle.prove_all()
    return bundle


def load_spec(path: Path) -> ModelSpec:
    """Read a bundle's manifest alone.

    Raises:
        BundleError: There is none, or it does not read.
    """
    return parse_manifest(_read_manifest(path), str(path / MANIFEST))


def parse_manifest(manifest: bytes, where: str) -> ModelSpec:
    """Return what a manifest's bytes say.

    Args:
        manifest: JSON, UTF-8.
        where: The file's name, for messages.

    Raises:
        BundleError: It does not read.
    """
    try:
        text = manifest.decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{where}: cannot be read ({error})") from error
    return ModelSpec.from_json(text, where)


def check_replaceable(path: Path) -> None:
    """Refuse to write a bundle over something that is none, or that holds other files, too.

    Raises:
        BundleError: Something that is no bundle stands at `path`, or files that are not its own.
    """
    if not path.exists():
        return
    try:  # other programs, too, call a file bundle.json
        spec = load_spec(path)
    except BundleError as error:
        raise BundleError(f"{path}: exists and is no bundle; give --out another name") from error
    _check_alone(path, spec)


@contextlib.contextmanager
def new_bundle(path: Path) -> Iterator[Path]:
    """Yield an empty folder; filled with files and a manifest, it takes the place of `path`.

    A bundle that stood there is replaced in one step, and only after an undisturbed end.

    Raises:
        BundleError: As `check_replaceable`.
        StorageError: The disk is full or closed.
    """
    check_replaceable(path)
    with atomic.new_folder(path) as folder:
        yield folder


def write_manifest(folder: Path, spec: ModelSpec) -> None:
    """Write the manifest of a bundle whose files stand in `folder`."""
    (folder / MANIFEST).write_text(spec.to_json(), encoding="utf-8")


def _read_manifest(path: Path) -> bytes:
    target = path / MANIFEST
    if not target.is_symlink() and not target.exists():
        raise BundleError(
            f"{path}: no {MANIFEST} in it; make a bundle with 'edgecat export RUN --out BUNDLE'"
        )
    if size_bytes(target) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{target}: larger than {MAX_MANIFEST_BYTES} bytes")
    return read_plain(target)


def _read_signature(path: Path) -> bytes | None:
    target = path / SIGNATURE
    if not target.is_symlink() and not target.exists():
        return None
    if size_bytes(target) != SIGNATURE_BYTES:
        raise BundleError(
            f"{target}: not the {SIGNATURE_BYTES} bytes of a signature; remove it, or sign the "
            "bundle again with 'edgecat sign BUNDLE --key KEY.pem'"
        )
    return read_plain(target)


def _check_alone(path: Path, spec: ModelSpec) -> None:
    extra = {entry.name for entry in path.iterdir()} - {*spec.files, MANIFEST, SIGNATURE}
    if extra:
        raise BundleError(
            f"{path}: not in the manifest: {', '.join(sorted(extra))}; a bundle holds only what "
            f"'edgecat export' wrote, move the rest elsewhere"
        )
