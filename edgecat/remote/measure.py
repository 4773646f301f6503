"""A bundle goes to another machine, is measured there, and the result comes back."""

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TypeVar

import edgecat
from edgecat.bench.report import Report
from edgecat.bench.results import load_report, load_sustained
from edgecat.bench.sustained import Sustained
from edgecat.bundle.archive import pack_bundle
from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError, ConfigError, DeviceError
from edgecat.progress import Progress
from edgecat.remote.host import check_host, run_there
from edgecat.runtime.engine import ENGINES
from edgecat.runtime.tuning import Tuning
from edgecat.strict import build, read_json

T = TypeVar("T")

# How a requirement says that it is of an extra.
_OF_EXTRA = re.compile(r";.*\bextra\b")


def benchmark_there(
    bundle: str | Path, host: str, options: Sequence[str], progress: Progress, *, install: bool
) -> Report:
    """Measure a bundle's variants on another machine, as `edgecat benchmark` does here.

    Args:
        bundle: A folder, or the name of a released model.
        host: As ssh takes it: "pi@device".
        options: Of the command, but --json.
        progress: Told of each line that is said there.
        install: Put this edgecat and what it needs there first, for as long as it takes.

    Raises:
        BundleError: No bundle, or a damaged one.
        ConfigError: `host` is none.
        DeviceError: The machine cannot be reached or cannot measure it.
    """
    command = ["benchmark", "bundle", "--json", "-", *options]
    return _read(load_report, host, _measure(bundle, host, command, progress, install))


def sustain_there(
    bundle: str | Path, host: str, options: Sequence[str], progress: Progress, *, install: bool
) -> Sustained:
    """Let another machine answer for minutes, as `edgecat benchmark --minutes` does here.

    Args:
        bundle: As for `benchmark_there`.
        host: The same.
        options: Of the command, --minutes among them, but --json.
        progress: As for `benchmark_there`.
        install: The same.

    Raises:
        BundleError: As `benchmark_there`.
        ConfigError: The same.
        DeviceError: The same.
    """
    command = ["benchmark", "bundle", "--json", "-", *options]
    return _read(load_sustained, host, _measure(bundle, host, command, progress, install))


def tune_there(
    bundle: str | Path, host: str, options: Sequence[str], progress: Progress, *, install: bool
) -> Tuning:
    """Find the fastest variant on another machine, as `edgecat tune` does here; it is not kept.

    Args:
        bundle: As for `benchmark_there`.
        host: The same.
        options: Of the command, but --json.
        progress: As for `benchmark_there`.
        install: The same.

    Raises:
        BundleError: As `benchmark_there`.
        ConfigError: The same.
        DeviceError: The same.
    """
    text = _measure(bundle, host, ["tune", "bundle", "--json", *options], progress, install)
    try:
        values = read_json(text, "its result", BundleError)
        if isinstance(values, dict):
            values.pop("file", None)  # where it was kept there, and is no more
        return build(Tuning, values, "its result", BundleError)
    except BundleError as error:
        raise DeviceError(f"{host}: {error}") from error


def _read(load: Callable[[Path], T], host: str, text: bytes) -> T:
    """Return the result that a machine printed.

    Raises:
        DeviceError: It is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        result.write_bytes(text)
        try:
            return load(result)
        except ConfigError as error:
            reason = error.without(str(result))  # a file that is gone
            raise DeviceError(f"{host}: its result: {reason}") from error


def _measure(
    bundle: str | Path, host: str, command: Sequence[str], progress: Progress, install: bool
) -> bytes:
    check_host(host)
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "bundle.zip"
        loaded = pack_bundle(bundle, packed)
        payload = [packed.read_bytes(), pack_package() if install else b""]
    wheels = list_wheels(loaded) if install else []
    progress.say(f"{host}: {sum(map(len, payload)) / 1e6:.1f} MB to copy")
    return run_there(host, payload, wheels, command, progress)


def pack_package() -> bytes:
    """Return edgecat's own package as a zip file: the same code runs there as here."""
    root = Path(edgecat.__file__).parent
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
        for file in sorted(root.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                packed.write(file, Path(root.name) / file.relative_to(root))
    return target.getvalue()


def list_wheels(bundle: Bundle) -> list[str]:
    """Return what edgecat and the engines of a bundle need, as pip takes it.

    Raises:
        DeviceError: This edgecat was not installed, so that nobody knows what it needs.
    """
    try:
        base = requires("edgecat") or []
    except PackageNotFoundError as error:
        raise DeviceError(
            "--install: this edgecat is not installed, so what it needs is not known; pip install "
            "it here first"
        ) from error
    names = {variant.engine for variant in bundle.spec.variants}
    engines = [ENGINES.load(name).package for name in sorted(names) if name in ENGINES]
    needed = [part for part in base if not _OF_EXTRA.search(part)]
    return [*(part.partition(";")[0].replace(" ", "") for part in needed), *engines]
