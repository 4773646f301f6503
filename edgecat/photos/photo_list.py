"""A list of photos: a text file that says which photos of a data set are to be used.

A line is a photo's path from the folder that holds the classes, or the splits. Empty lines and
those that begin with # count for nothing, so that a # in front leaves a photo out. A path that is
no plain text, or begins with # or a quotation mark, is written as a JSON string.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from edgecat.errors import DatasetError, describe_reason
from edgecat.strict import read_json

# Two million photos with names of usual length.
_MAX_BYTES = 128 * 2**20

# Paths named in a message, of those that are not there.
_NUM_NAMED = 5


def load_list(file: Path) -> tuple[str, ...]:
    """Return the paths in a list, each once, in its order.

    Raises:
        DatasetError: No such file, one that is too large, or a line in quotation marks that is no
            JSON string.
    """
    try:
        if not file.is_file():
            raise DatasetError(f"--list {file}: no such file; edgecat audit DATA --apply makes one")
        with file.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DatasetError(f"--list {file}: cannot be read ({describe_reason(error)})") from error
    if len(data) > _MAX_BYTES:
        raise DatasetError(
            f"--list {file}: larger than {_MAX_BYTES // 2**20} MiB: no list of paths"
        )
    text = data.decode("utf-8-sig", "surrogateescape")  # names on a disk need not be text
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    paths = [_read_path(line, f"{file}, line {n}") for n, line in lines if line and line[0] != "#"]
    return tuple(dict.fromkeys(paths))


def format_path(path: str) -> str:
    """Return a path as a line of a list, without the line's end."""
    is_plain = path.isprintable() and path == path.strip() and path[:1] not in ("#", '"')
    return path if is_plain else json.dumps(path)


def check_listed(listed: Iterable[str], there: Iterable[str], where: str) -> frozenset[str]:
    """Return the paths of a list, all of which a data set has.

    Args:
        listed: From `load_list`.
        there: The paths of the data set.
        where: The list and the data set, for messages.

    Raises:
        DatasetError: The list is empty, or names what is not there.
    """
    wanted = list(listed)
    if not wanted:
        raise DatasetError(f"{where}: names no photo; every line is empty or begins with #")
    if unknown := sorted(set(wanted) - set(there)):
        named = ", ".join(ascii(path[:80]) for path in unknown[:_NUM_NAMED])
        raise DatasetError(
            f"{where}: {len(unknown)} of its {len(wanted)} paths are not there ({named}"
            f"{', ...' if len(unknown) > _NUM_NAMED else ''}); a line is a path from the folder "
            "that holds the classes; make the list again: edgecat audit DATA --apply LIST"
        )
    return frozenset(wanted)


def _read_path(line: str, where: str) -> str:
    if line[0] != '"':
        return line
    path = read_json(line, where, DatasetError)
    if not isinstance(path, str):
        raise DatasetError(f"{where}: expected a path, got {line[:60]}")
    return path
