"""Find the JPEG frames in a stream of bytes by walking their marker segments.

A frame begins with SOI and ends with EOI, but both stand inside of frames too: in the thumbnail of
an EXIF segment. A segment says how long it is, so its content is stepped over. Between frames
anything may stand, such as the part headers of an HTTP stream (multipart/x-mixed-replace).

Some cameras leave EOI out: their frames end where the next one begins.

Source: ITU-T T.81 (JPEG), annex B.1.
"""

import contextlib
import re
from collections.abc import Callable, Iterator

#: Why bytes were skipped.
NO_FRAME = "bytes that belong to no frame"
BROKEN = "a frame whose segments do not fit together"
THUMBNAIL = "a thumbnail inside of a broken frame"
TOO_LARGE = "a frame that is too large"
CUT_OFF = "the last frame, which is cut off"

_SOI = 0xD8
_EOI = 0xD9
_SOS = 0xDA
# Markers without a length behind them: TEM and RST0 to RST7.
_ALONE = {0x01, *range(0xD0, 0xD8)}
# Markers of segments that hold anything, other pictures too: APP0 to APP15, COM. The others hold
# tables: if a frame begins inside of one, it was cut off there.
_FREE = {*range(0xE0, 0xF0), 0xFE}

# SOI, and the 0xFF of the marker that must follow.
_START = re.compile(rb"\xff\xd8\xff")

# The end of entropy-coded data: a marker that is neither a stuffed 0xFF, nor fill, nor a restart.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

_READ_BYTES = 64 * 1024

#: What stands behind the data of a frame that came without EOI: eight bytes of ones. An EOI there
#: would let a decoder paint grey what was cut off. Of these bits it takes those by which it reads
#: ahead, and then, as no code is all ones, those of two blocks (8 x 8) at most: a frame that lacks
#: more runs dry and is refused.
#: Source: ITU-T T.81, annex C; libjpeg-turbo reads 57 bits ahead (jdhuff.h, MIN_GET_BITS).
READ_AHEAD = 8 * b"\xff\x00"


def read_frames(
    read: Callable[[int], bytes], *, max_bytes: int, on_skipped: Callable[[str], object]
) -> Iterator[bytes]:
    """Yield the frames of a stream, each as soon as its last byte is there.

    A frame without EOI is known to be over when the next one begins, or when the stream ends and
    the frame before had none either; `READ_AHEAD` is put behind it. Whether it is complete, its
    decoder knows. Memory stays below `max_bytes` and a few reads, whatever comes in.

    Args:
        read: Returns up to so many bytes, at least one; none at the end of the stream.
        max_bytes: Of a frame; a larger one is skipped.
        on_skipped: Called with one of the reasons above for whatever is skipped.
    """
    stream = _Stream(read, max_bytes)
    is_in_step = stream.starts_with_frame()
    leaves_out_eoi = False
    while True:
        begin = stream.begin
        start = stream.skip_to_start()
        if stream.begin > begin:
            on_skipped(NO_FRAME)
        if start is None:
            return
        try:
            end, has_eoi = _find_end(stream, start, is_end_of_stream_enough=leaves_out_eoi)
        except EOFError:
            on_skipped(CUT_OFF)
            return
        except _BrokenError as problem:
            on_skipped(BROKEN)
            stream.cut(problem.next_start)
            stream.skip_to_start()
            is_in_step = False
            continue
        if stream.begin > start or end - start > max_bytes:
            on_skipped(TOO_LARGE)
        elif not is_in_step and stream.has_segment(end):
            # What began before it goes on behind it: it stands inside of a frame.
            on_skipped(THUMBNAIL)
            stream.cut(end)
            continue
        elif not is_in_step and not has_eoi:
            on_skipped(BROKEN)  # it may be a thumbnail; where it ends, a frame begins
        else:
            yield stream.between(start, end) + (b"" if has_eoi else READ_AHEAD)
            leaves_out_eoi = not has_eoi
        stream.cut(end)
        is_in_step = True


class _BrokenError(Exception):
    def __init__(self, next_start: int) -> None:
        super().__init__()
        self.next_start = next_start  # no frame begins before


def _find_end(stream: "_Stream", start: int, *, is_end_of_stream_enough: bool) -> tuple[int, bool]:
    """Return where the frame that begins at `start` ends, and whether it has its EOI.

    Raises:
        _BrokenError: It is no JPEG.
        EOFError: The stream ends before it.
    """
    at = start + 2
    is_behind_scan = False
    while True:
        if stream[at] != 0xFF:
            raise _BrokenError(start + 2)
        marker = stream[at + 1]
        if marker == _EOI:
            return at + 2, True
        if marker == _SOI and is_behind_scan:  # the next frame begins
            return at, False
        if marker == _SOI:  # the frame was cut off, the next one begins
            raise _BrokenError(at)
        if marker == 0xFF:  # fill
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            length = stream[at + 2] << 8 | stream[at + 3]  # counts its own two bytes
            end = at + 2 + length
            if length < 2 or not marker:
                raise _BrokenError(start + 2)
            if marker not in _FREE and (inner := stream.find_within(_START, at, end + 1)):
                raise _BrokenError(inner)
            is_behind_scan = marker == _SOS
            try:
                at = stream.find(_MARKER, end) if is_behind_scan else end
            except EOFError:
                if not is_end_of_stream_enough:
                    raise
                return stream.end, False


class _Stream:
    """The part of a stream that is in memory. Positions count from the stream's first byte.

    Attributes:
        begin: The first position in memory.
    """

    def __init__(self, read: Callable[[int], bytes], max_bytes: int) -> None:
        self.begin = 0
        self._read = read
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def __getitem__(self, at: int) -> int:
        """Return one byte.

        Raises:
            EOFError: The stream ends before.
        """
        while at >= self.end:
            self._read_on(keep_from=at)
        return self._buffer[at - self.begin]

    def find(self, pattern: re.Pattern[bytes], at: int) -> int:
        """Return where a pattern of 2 or 3 bytes is found first, at `at` or behind it.

        Raises:
            EOFError: Nowhere.
        """
        while True:
            if found := pattern.search(self._buffer, max(0, at - self.begin)):
                return self.begin + found.start()
            at = max(at, self.end - 2)
            self._read_on(keep_from=at)

    def find_within(self, pattern: re.Pattern[bytes], at: int, end: int) -> int | None:
        """Return where a pattern is found first between two positions, None if nowhere.

        Where the stream ends before `end`, what there is of it is searched.
        """
        with contextlib.suppress(EOFError):
            self[end - 1]
        found = pattern.search(self._buffer, max(0, at - self.begin), end - self.begin)
        return self.begin + found.start() if found else None

    def skip_to_start(self) -> int | None:
        """Let go all before the next frame and return where it begins; None at the end."""
        start = None
        with contextlib.suppress(EOFError):
            start = self.find(_START, self.begin)
        self.cut(self.end if start is None else start)
        return start

    def starts_with_frame(self) -> bool:
        """Return whether a frame begins with the stream."""
        with contextlib.suppress(EOFError):
            return self[0] == 0xFF and self[1] == _SOI
        return False

    def has_segment(self, at: int) -> bool:
        """Return whether a segment of a frame begins at a position."""
        with contextlib.suppress(EOFError):
            return self[at] == 0xFF and self[at + 1] not in (_SOI, _EOI, 0xFF)
        return False

    def between(self, start: int, end: int) -> bytes:
        """Return bytes that are in memory."""
        return bytes(self._buffer[start - self.begin : end - self.begin])

    def cut(self, at: int) -> None:
        """Let go what stands before a position."""
        at = min(max(at, self.begin), self.end)
        del self._buffer[: at - self.begin]
        self.begin = at

    @property
    def end(self) -> int:
        """Return the position behind the last byte in memory."""
        return self.begin + len(self._buffer)

    def _read_on(self, keep_from: int) -> None:
        """Read a little more; of a frame that is too large, let go what is walked already.

        Raises:
            EOFError: There is no more.
        """
        if len(self._buffer) > self._max_bytes:
            self.cut(keep_from)
        data = self._read(_READ_BYTES)
        if not data:
            raise EOFError
        self._buffer += data
