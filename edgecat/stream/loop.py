"""The loop of `edgecat stream`: the newest frame is answered, older ones are dropped.

One thread reads, so that the camera never waits, and puts each frame into a mailbox that holds
one; the other takes it out when the model is free.
"""

import collections
import contextlib
import dataclasses
import datetime
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from edgecat.errors import EngineError, ImageError
from edgecat.photos.pixels import load_pixels
from edgecat.progress import Progress
from edgecat.runtime.prediction import Answer
from edgecat.service.live import LiveClassifier
from edgecat.service.process import Service
from edgecat.stream.frames import read_frames

#: Largest frame. 12 megapixels at a camera's highest JPEG quality take about 12 MB.
MAX_FRAME_BYTES = 16 * 2**20

# How long to wait for a frame before the service is attended again.
_ATTEND_EVERY_S = 0.25


@dataclasses.dataclass(frozen=True)
class _Frame:
    number: int
    time: datetime.datetime
    complete_s: float
    data: bytes


def stream(
    classifier: LiveClassifier,
    read: Callable[[int], bytes],
    service: Service,
    progress: Progress,
    *,
    window: int = 5,
    drop: bool = True,
    on_line: Callable[[dict[str, Any]], object],
) -> None:
    """Answer the JPEG frames of a stream until it ends or a signal comes.

    Args:
        classifier: Open.
        read: Returns up to so many bytes of the stream, at least one; none at its end.
        service: Entered; is attended several times a second.
        progress: Told of what is skipped, each kind once.
        window: Frames whose probabilities are averaged, 1 or more.
        drop: Drop frames that come while the model is busy, but for the newest; otherwise let
            the stream wait.
        on_line: Called with plain values for each frame: its number in the stream (from 1), the
            time it was complete, the answer to the frames of the window, how many these are, how
            many milliseconds after the frame it came, how many frames were dropped so far; or, of
            a frame that is broken, or that the model has no answer to, the error.

    Raises:
        ImageError: The stream cannot be read, or ended without a frame.
    """
    mailbox = _Mailbox(read, progress, drop=drop)
    threading.Thread(target=mailbox.fill, name="frames", daemon=True).start()
    service.tell_ready()
    answers: collections.deque[Answer] = collections.deque(maxlen=window)
    current = classifier.current
    while not service.is_stopping():
        service.attend(classifier)
        try:
            frame = mailbox.take(_ATTEND_EVERY_S)
        except queue.Empty:
            continue
        if frame is None:
            mailbox.check()
            return
        if current is not classifier.current:  # its classes may be others
            current = classifier.current
            answers.clear()
        line: dict[str, Any] = {
            "frame": frame.number,
            "time": frame.time.isoformat(timespec="milliseconds"),
        }
        try:
            answers.append(current.answer(load_pixels(frame.data)))
        except (ImageError, EngineError) as error:
            line["error"] = str(error).removeprefix("the photo: ")
        else:
            line |= current.combine(answers).to_dict()
            del line["stage_ms"]
            line["num_frames"] = len(answers)
        line["delay_ms"] = 1e3 * (time.monotonic() - frame.complete_s)
        line["num_dropped"] = mailbox.num_dropped
        on_line(line)


class _Mailbox:
    """Room for one frame.

    Attributes:
        num_dropped: Frames that a newer one took the place of.
    """

    def __init__(self, read: Callable[[int], bytes], progress: Progress, *, drop: bool) -> None:
        self.num_dropped = 0
        self._read = read
        self._progress = progress
        self._drop = drop
        self._slot: queue.Queue[_Frame | None] = queue.Queue(1)
        self._num_frames = 0
        self._reasons: set[str] = set()
        self._error: OSError | None = None

    def fill(self) -> None:
        """Read frames until the stream ends; None behind the last."""
        try:
            for data in read_frames(
                self._read, max_bytes=MAX_FRAME_BYTES, on_skipped=self._tell_skipped
            ):
                self._num_frames += 1
                now = datetime.datetime.now(datetime.UTC)
                self._put(_Frame(self._num_frames, now, time.monotonic(), data))
        except OSError as error:
            self._error = error
        finally:
            self._slot.put(None)

    def take(self, seconds: float) -> _Frame | None:
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

    def _put(self, frame: _Frame) -> None:
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
                f"after {self._num_frames} frames: skipped {reason}; more of that is not told"
            )
