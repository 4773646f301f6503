"""Results of `edgecat benchmark` as files; of any other file, what it is and what is wanted."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from edgecat.bench.report import SCHEMA_VERSION, Report
from edgecat.bench.sustained import SCHEMA_VERSION as SUSTAINED_VERSION
from edgecat.bench.sustained import Sustained
from edgecat.bundle.plain import check_plain
from edgecat.bundle.store import MANIFEST
from edgecat.errors import ConfigError, ImageError, UnsupportedImageError
from edgecat.photos.formats import tell_format
from edgecat.strict import build, read_json

T = TypeVar("T")

# Results of 20 variants on 100,000 photos are 2 MB.
_MAX_BYTES = 64 * 2**20

_REPORT = "edgecat benchmark BUNDLE --json FILE"
_SUSTAINED = "edgecat benchmark BUNDLE --minutes 10 --json FILE"

# JSON that edgecat writes, by the keys that tell it.
_KINDS = {
    f"a sustained run, which '{_SUSTAINED}' writes": ("spans", "slowdowns"),
    f"a result of '{_REPORT}'": ("rows", "settings", "host"),
    "what 'edgecat tune' measured": ("timings", "setting"),
    "what 'edgecat compare' found": ("changes", "only_before"),
    "the manifest of a bundle": ("labels", "variants", "files"),
    "the record of a run of 'edgecat finetune'": ("recipe", "data_sha256"),
    "an answer to a photo": ("label", "probability"),
}


@dataclasses.dataclass(frozen=True)
class _Host:
    """What `edgecat.bench.report.format_host` shows of a machine."""

    cpu: str
    num_cpus: int | None
    features: tuple[str, ...]
    governor: str | None
    temperature_c: float | None
    load_1min: float | None
    versions: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _ReportSettings:
    """What `edgecat.bench.report.format_report` shows of them."""

    threads: int
    num_rounds: int
    batch_size: int


@dataclasses.dataclass(frozen=True)
class _SustainedSettings:
    """What `edgecat.bench.sustained_text.format_sustained` shows of them."""

    threads: int
    duration_s: float


def load_report(path: Path) -> Report:
    """Read what `edgecat benchmark --json` wrote.

    Raises:
        ConfigError: It cannot be read, is cut off, of another version, or something else.
    """
    return _load(Report, _ReportSettings, path, _REPORT, "rows", SCHEMA_VERSION)


def load_sustained(path: Path) -> Sustained:
    """Read what `edgecat benchmark --minutes N --json` wrote.

    Raises:
        ConfigError: As `load_report`.
    """
    return _load(Sustained, _SustainedSettings, path, _SUSTAINED, "spans", SUSTAINED_VERSION)


def _load(
    cls: type[T], settings: type[object], path: Path, command: str, key: str, version: int
) -> T:
    """Read what a command has written.

    Args:
        cls: What it is made into.
        settings: What must be among its settings.
        path: The file.
        command: Which.
        key: By which it is told from what others write.
        version: Of its form, that this edgecat reads.

    Raises:
        ConfigError: Something else is there, or nothing; the message says what.
    """
    try:
        values = read_json(_read_bytes(path), str(path), ConfigError)
        if not isinstance(values, Mapping) or key not in values:
            raise ConfigError(f"{path}: {_describe_values(values)}")
        if (found := values.get("schema_version", "none")) != version:
            raise ConfigError(
                f"{path}: of schema_version {found!s:.20}, this edgecat reads {version}"
            )
        try:
            check_plain(values, str(path))  # it may be shown in a terminal, or on a page
        except ValueError as error:
            raise ConfigError(str(error)) from error
        for name, shown in (("host", _Host), ("settings", settings)):
            if name in values:  # which holds more than is shown
                build(shown, values[name], f"{path}: {name}", ConfigError, pass_unknown=True)
        return build(cls, values, str(path), ConfigError)
    except ConfigError as error:
        raise ConfigError(f"{error}; accepted is what '{command}' writes") from error


def _read_bytes(path: Path) -> bytes:
    """Return a file that may be JSON.

    Raises:
        ConfigError: It cannot be read, is too large, or is surely none.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        hint = _describe_folder(path) if path.is_dir() else f"cannot be read ({error.strerror})"
        raise ConfigError(f"{path}: {hint}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: larger than {_MAX_BYTES // 2**20} MiB")
    if not data.lstrip().startswith((b"{", b"[")):
        raise ConfigError(f"{path}: {_describe_bytes(data)}")
    return data


def _describe_folder(path: Path) -> str:
    return "a bundle, not yet measured" if (path / MANIFEST).is_file() else "a folder"


def _describe_bytes(data: bytes) -> str:
    """Say what a file is that is not JSON."""
    if not data.strip():
        return "empty"
    try:
        return f"a photo ({tell_format(data, '').name})"
    except UnsupportedImageError as error:
        return str(error).removeprefix(": ").partition(",")[0]
    except ImageError:
        pass
    if data.startswith(b"PK"):
        return "a zip file"
    return "not JSON"


def _describe_values(values: object) -> str:
    """Say what JSON is that is none of those results."""
    if isinstance(values, Mapping):
        for what, keys in _KINDS.items():
            if {*keys} <= values.keys():
                return what
    return "JSON, but no result of edgecat benchmark"
