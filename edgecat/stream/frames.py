"""Find the JPEG frames in a stream of bytes by walking their marker segments.

A frame begins with SOI and ends with EOI, but both stand inside of frames too: in the thumbnail of
an EXIF segment. A segment says how long it is, so its content is stepped over. Between frames
anything may stand, such as the part headers of an HTTP stream (multipart/x-mixed-replace).

Source: ITU-T T.81 (JPEG), annex B.1.
"""

import re
from collections.abc import Callable, Iterator

from edgecat.errors import ImageError

_START = b"\xff\xd8"
_EOI = 0xD9
_SOS = 0xDA
# Markers without a length behind them: TEM and RST0 to RST7.
_ALONE = {0x01, *range(0xD0, 0xD8)}

# The end of entropy-coded data: a marker that is neither a stuffed 0xFF, fill, nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_READ_BYTES = 64 * 1024


def read_frames(
    read: Callable[[int], bytes], *, max_bytes: int, on_skipped: Callable[[str], object]
) -> Iterator[bytes]:
    """Yield the frames of a stream, each as soon as its last byte is there.

    Memory stays below `max_bytes` and two reads, whatever comes in.

    Args:
        read: Returns up to that many bytes, at least one; none at the end of the stream.
        max_bytes: Of a frame; a larger one is skipped.
        on_skipped: Called with what was skipped and why, in words.
    """
    stream = _Stream(read, max_bytes)
    num_frames = 0
    while stream.skip_to_start(on_skipped if num_frames else lambda reason: None):
        ...
