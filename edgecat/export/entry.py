"""The file of a kept result: what it came from, plain values, large files and a checksum of all."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecat import atomic
from edgecat.errors import ExportError
from edgecat.strict import build, read_json

#: The largest entry holds a model of 20 MB twice; a stranger's file may be anything.
MAX_ENTRY_BYTES = 2**30

# The tensors of the file; large files follow by their number.
_HEAD, _CHECKSUM = "head", "sha256"


@dataclasses.dataclass(frozen=True)
class Head:
    """The small part of an entry.

    Attributes:
        inputs: What the result came from.
        values: Its plain values.
        num_files: How many files belong to it.
    """

    inputs: dict[str, Any]
    values: dict[str, Any]
    num_files: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """A stage's result, as it is kept.

    Attributes:
        inputs: What it came from: plain values.
        values: Its small part: plain values.
        files: Its large part.
    """

    inputs: Mapping[str, Any]
    values: Mapping[str, Any]
    files: tuple[bytes, ...]


def hash_parts(parts: Sequence[bytes]) -> str:
    """Return one hex SHA-256 for several byte strings; where one ends counts, too."""
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(digests).hexdigest()


def write_entry(entry: Entry, file: Path) -> None:
    """Write an entry, whole or not at all.

    Raises:
        StorageError: The disk is full, or closed.
    """
    from safetensors.numpy import save

    head = json.dumps(
        dataclasses.asdict(Head(dict(entry.inputs), dict(entry.values), len(entry.files)))
    )
    parts = [head.encode(), *entry.files]
    named = {_HEAD: parts[0], _CHECKSUM: hash_parts(parts).encode()}
    named |= {str(number): data for number, data in enumerate(entry.files)}
    data = save({name: np.frombuffer(part, np.uint8) for name, part in named.items()})
    atomic.write_file(file, lambda target: target.write(data))


def read_entry(file: Path) -> Entry:
    """Read an entry, and believe nothing in it before its checksum.

    Raises:
        FileNotFoundError: There is none.
        ExportError: It is damaged, cut off, or something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        size_bytes = file.lstat().st_size
        if file.is_symlink() or not file.is_file() or size_bytes > MAX_ENTRY_BYTES:
            raise ExportError(f"a link, no plain file, or larger than {MAX_ENTRY_BYTES} bytes")
        parts = {name: tensor.tobytes() for name, tensor in load(file.read_bytes()).items()}
        values = read_json(parts[_HEAD], "its head", ExportError)
        head = build(Head, values, "its head", ExportError)
        files = tuple(parts[str(number)] for number in range(head.num_files))
        is_whole = parts[_CHECKSUM] == hash_parts([parts[_HEAD], *files]).encode()
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, LookupError, ValueError, RecursionError) as error:
        raise ExportError(f"damaged or cut off ({error or type(error).__name__})") from error
    if not is_whole:
        raise ExportError("damaged: its content is not that of its checksum")
    return Entry(head.inputs, head.values, files)
