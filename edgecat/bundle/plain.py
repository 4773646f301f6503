"""Texts and names of a manifest that do no harm wherever they are shown or written."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from edgecat.errors import BundleError

# Source: Unicode, general categories Cc (control) and Cs (surrogate).
_PLAIN_TEXT = re.compile("[^\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]*")

# edgecat writes seven levels, in the provenance of INT8.
_MAX_DEPTH = 30

_MAX_NAME_LENGTH = 255


def check_plain(value: object, where: str, depth: int = 0) -> None:
    """Refuse what a terminal, UTF-8, JSON or a function that calls itself could not bear.

    Args:
        value: A text, number or None; or a dataclass, mapping or list of such.
        where: Its place, for messages.
        depth: How deep it lies.

    Raises:
        ValueError: Control characters, half a surrogate pair, a number that is not finite, or
            nested too deep.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"{where}: nested deeper than {_MAX_DEPTH} levels")
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, str) and not _PLAIN_TEXT.fullmatch(value):
        raise ValueError(f"{where}: text {value[:60]!a} has control characters or is no Unicode")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: {value} is no number that JSON has")
    if isinstance(value, Mapping):
        value = (*value, *value.values())
    if isinstance(value, tuple | list):
        for item in value:
            check_plain(item, where, depth + 1)


def name_bundle(path: Path) -> str:
    """Return what a bundle calls itself: as its folder is called, without ".edgecat".

    Args:
        path: Its folder, whether it is there or not.

    Raises:
        BundleError: No manifest can hold that name.
    """
    name = path.absolute().name.removesuffix(".edgecat")
    try:
        check_plain(name, "name")
    except ValueError as error:
        raise BundleError(f"{path}: {error}; give --out another name") from error
    return name


def check_labels(labels: Sequence[str]) -> None:
    """Refuse classes that nobody could tell apart, or that are no class.

    Labels that differ only in case or Unicode form stay allowed here, though no new run has such:
    bundles made of such folders must open, and each still stands for its own place in the logits.

    Raises:
        ValueError: Fewer than two, one that is there twice, or a blank one.
    """
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ValueError("labels must be at least two, each once")
    if not all(label.strip() for label in labels):
        raise ValueError("labels must not be blank")


def check_file_names(names: Sequence[str]) -> None:
    """Refuse files that do not lie in a bundle's folder, or are one file on some file systems.

    Args:
        names: Of all files of a bundle.

    Raises:
        ValueError: A name with a folder in it, one that is not ASCII, or two that are alike.
    """
    for name in names:
        is_plain = name.isascii() and name.isprintable() and len(name) <= _MAX_NAME_LENGTH
        is_plain = is_plain and PurePosixPath(name).name == name and "\\" not in name
        if not is_plain or name in ("", ".", ".."):
            raise ValueError(f"file {name!r} is no plain name inside the bundle's folder")
    # Cards and sticks are often formatted so that "A" and "a" are one file.
    if len({name.casefold() for name in names}) != len(names):
        raise ValueError(f"files {', '.join(names)}: must differ in more than upper and lower case")
