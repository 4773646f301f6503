"""One thread reads the camera, so that it never waits; the newest frame lies ready."""

import contextlib
import dataclasses
import datetime
import queue
import threading
import time
from collections.abc import Callable

from edgecat.errors import ImageError
from edgecat.progress import Progress, describe_count
from edgecat.stream.frames import read_frames

#: Largest frame. 12 megapixels at a camera's highest JPEG quality take about 12 MB.
MAX_FRAME_BYTES = 16 * 2**20


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame of a stream.

    Attributes:
        number: In the stream, from 1.
        time: When it was complete.
        complete_s: The same on the monotonic clock, in seconds.
        data: JPEG.
    """

    number: int
    time: datetime.datetime
    complete_s: float
    data: bytes


class Mailbox:
    """Room for one frame.

    Attributes:
        num_dropped: Frames that a newer one took the place of.
    """

    def __init__(
        self, read: Callable[[int], bytes], progress: Progress, *, drop: bool = True
    ) -> None:
        """Prepare.

        Args:
            read: Returns up to so many bytes of the stream, at least one; none at its end.
            progress: Told of what is skipped, each kind once.
            drop: Drop frames that come while the model is busy, but for the newest; otherwise let
                the stream wait.
        """
        self.num_dropped = 0
        self._read = read
        self._progress = progress
        self._drop = drop
        self._slot: queue.Queue[Frame | None] = queue.Queue(1)
        self._num_frames = 0
        self._reasons: set[str] = set()
        self._error: OSError | None = None

    def start(self) -> None:
        """Begin to read, in a thread of its own."""
        threading.Thread(target=self._fill, name="frames", daemon=True).start()

    def _fill(self) -> None:
        """Read frames until the stream ends; None behind the last."""
        try:
            for data in read_frames(
                self._read, max_bytes=MAX_FRAME_BYTES, on_skipped=self._tell_skipped
            ):
                self._num_frames += 1
                now = datetime.datetime.now(datetime.UTC)
                self._put(Frame(self._num_frames, now, time.monotonic(), data))
        except OSError as error:
            self._error = error
        finally:
            self._slot.put(None)

    def take(self, seconds: float) -> Frame | None:
        """Return the newest frame; None if there will be no more.

        Raises:
            queue.Empty: None came in time.
        """
        return self._slot.get(timeout=seconds)

    def check(self) -> None:
        """Say what was wrong with a stream that has ended.

        Raises:
            ImageError: It could not be read, or had no frame.
        """
        if self._error:
            raise ImageError(f"standard input: cannot be read ({self._error.strerror})")
        if not self._num_frames:
            raise ImageError(
                "standard input: no JPEG frame in it; accepted is MJPEG, such as "
                "rpicam-vid --codec mjpeg -t 0 -o - writes"
            )

    def _put(self, frame: Frame) -> None:
        if self._drop:
            # Nobody else puts, so the slot is free after this.
            with contextlib.suppress(queue.Empty):
                self._slot.get_nowait()
                self.num_dropped += 1
        self._slot.put(frame)

    def _tell_skipped(self, reason: str) -> None:
        if reason not in self._reasons:
            self._reasons.add(reason)
            self._progress.say(
                f"after {describe_count(self._num_frames, 'frame')}: skipped {reason}; more of "
                "that is not told"
            )
