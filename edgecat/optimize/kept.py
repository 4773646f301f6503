"""What a search keeps in its folder: dataclasses as JSON files, each written whole."""

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from edgecat import atomic
from edgecat.errors import ConfigError, describe_reason
from edgecat.strict import build, read_json, to_json

T = TypeVar("T")


def save_kept(value: Any, file: Path) -> None:
    """Write a dataclass as JSON.

    Args:
        value: The dataclass, of plain values.
        file: To write.

    Raises:
        StorageError: The disk is full; what stood there before is intact.
    """
    atomic.write_text(file, to_json(dataclasses.asdict(value), indent=1) + "\n")


def load_kept(cls: type[T], file: Path) -> T:
    """Read what `save_kept` wrote.

    Raises:
        ConfigError: No such file, or something else.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({describe_reason(error)})") from error
    return build(cls, read_json(data, str(file), ConfigError), str(file), ConfigError)
