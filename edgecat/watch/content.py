"""What is in a file of the watched folder, as long as it is the file that was found."""

import dataclasses
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from edgecat.errors import ImageError
from edgecat.photos.decode import MAX_BYTES
from edgecat.watch.photo import Stamp, parse_line
from edgecat.watch.takeover import identify


@dataclasses.dataclass(frozen=True)
class Content:
    """What is in a file.

    Attributes:
        data: Ends one byte above what is accepted as a photo.
        sha256: Of all.
    """

    data: bytes
    sha256: bytes

    def photo(self) -> bytes:
        """Return it as a photo.

        Raises:
            ImageError: It is too large for one.
        """
        if len(self.data) > MAX_BYTES:
            raise ImageError(f"the photo: larger than {MAX_BYTES // 2**20} MiB")
        return self.data


def read_content(
    path: Path, stamp: Stamp, on_step: Callable[[], object] = lambda: None
) -> Content | None:
    """Read a file; None if it is not, or not any more, what the stamp says.

    Args:
        path: The file.
        stamp: As it was found.
        on_step: Called often: a video of some GB takes a minute.

    Raises:
        OSError: It cannot be read.
    """
    # Between look and open a file may become a link or a pipe: neither followed nor waited for.
    with open(path, "rb", opener=_open_no_link) as file:
        data = file.read(MAX_BYTES + 1)
        digest = hashlib.sha256(data)
        while chunk := file.read(2**20):
            digest.update(chunk)
            on_step()
        if Stamp.of(os.fstat(file.fileno())) != stamp:
            return None
    return Content(data, digest.digest())


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def load_photo(folder: Path, line: bytes) -> bytes | None:
    """Return the photo that a line of the results is about, None if it is not there any more.

    Args:
        folder: The watched one.
        line: As `edgecat.watch.photo.format_line` made it, with or without its end.
    """
    photo = identify(parse_line(line.rstrip(b"\n") + b"\n"), folder)
    if photo.stamp.size_bytes > MAX_BYTES:
        return None
    try:
        content = read_content(folder / photo.name, photo.stamp)
    except OSError:
        return None
    return content.data if content and content.sha256 == photo.sha256 else None
