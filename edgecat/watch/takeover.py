"""Results that the record does not know: read line by line, each proven to be ours."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from edgecat.errors import ConfigError
from edgecat.watch.photo import (
    LINE_BEGINS,
    MAX_LINE_BYTES,
    Photo,
    Stamp,
    encode_name,
    find_file,
    parse_line,
)
from edgecat.watch.results import ResultsFile


def read_on(
    results: ResultsFile, start_bytes: int, unwritten: Sequence[bytes]
) -> Iterator[tuple[Photo, bytes]]:
    """Yield the photos and lines behind a place; cut off what is left of a torn line at the end.

    Args:
        results: Open.
        start_bytes: Where to begin; what stands before is ours.
        unwritten: Lines that were to be written: the torn one may be the beginning of one of them.

    Raises:
        ConfigError: A line is not ours; nothing was cut off.
        OSError: The file cannot be read, or not be cut.
    """
    with results.open_to_read(start_bytes) as file:
        end_bytes = start_bytes
        while line := file.readline(MAX_LINE_BYTES):
            try:
                photo = parse_line(line)
            except ValueError:
                is_last = not file.read(1)
                is_behind_ours = end_bytes > 0 and _may_be_torn(line)
                if not (is_last and (is_behind_ours or _is_rest_of(line, unwritten))):
                    _refuse(results, end_bytes)
                results.cut(end_bytes)
                return
            yield photo, line
            end_bytes += len(line)


def identify(photo: Photo, folder: Path) -> Photo:
    """Return a photo with the time of change of its file, if all else of that is still the same."""
    found = find_file(folder / os.fsdecode(encode_name(photo.name)))
    if found is None or photo.stamp != dataclasses.replace(Stamp.of(found), ctime_ns=None):
        return photo
    return dataclasses.replace(photo, stamp=Stamp.of(found))


def check_first_line(results: ResultsFile) -> None:
    """Refuse a file that does not begin as ours do; an empty one is welcome.

    Raises:
        ConfigError: It does not.
    """
    with results.open_to_read() as file:
        line = file.readline(MAX_LINE_BYTES)
    if line:
        try:
            parse_line(line)
        except ValueError:
            _refuse(results, 0)


def _may_be_torn(line: bytes) -> bool:
    """Return whether a last line can be what a power cut left of one of ours.

    A file may then have its new length, but zeros where the data did not get to the disk in time:
    at the end of the line, or at its beginning. A whole line without zeros is none of ours.
    """
    is_cut = b"\0" in line or not line.endswith(b"\n")
    beginning = line[: len(LINE_BEGINS)].rstrip(b"\0\n")
    return is_cut and (line.startswith(b"\0") or LINE_BEGINS.startswith(beginning))


def _is_rest_of(line: bytes, unwritten: Sequence[bytes]) -> bool:
    rest = line.rstrip(b"\0")
    return any(len(line) <= len(whole) and whole.startswith(rest) for whole in unwritten)


def _refuse(results: ResultsFile, place_bytes: int) -> NoReturn:
    """Say that the line at a place is not ours.

    Raises:
        ConfigError: That.
    """
    with results.open_to_read() as file:
        number = 1
        while file.tell() < place_bytes:
            file.readline()
            number += 1
    raise ConfigError(
        f"{results.path}: line {number} was not written by edgecat watch; give --out a new file, "
        "or remove that line"
    ) from None
