"""The loop of `edgecat stream`: the newest frame is answered, older ones are dropped."""

import collections
import queue
import time
from collections.abc import Callable
from typing import Any

from edgecat.errors import EngineError, ImageError
from edgecat.keep.keeper import Source
from edgecat.photos.decode import describe_fault
from edgecat.runtime.prediction import Answer
from edgecat.service.live import LiveClassifier
from edgecat.service.process import Service
from edgecat.stream.mailbox import Mailbox
from edgecat.stream.scenes import Scenes

# How long to wait for a frame before the service is attended again.
_ATTEND_EVERY_S = 0.25


def stream(
    classifier: LiveClassifier,
    mailbox: Mailbox,
    service: Service,
    *,
    window: int = 5,
    scenes: Scenes | None = None,
    on_line: Callable[[dict[str, Any]], object],
) -> None:
    """Answer the JPEG frames of a stream until it ends or a signal comes.

    Args:
        classifier: Open.
        mailbox: Not started yet.
        service: Entered; is attended several times a second.
        window: Frames whose probabilities are averaged, 1 or more.
        scenes: Keeps frames that are worth a look; None to keep none.
        on_line: Called with plain values for each frame: its number in the stream (from 1), the
            time it was complete, the answer to the frames of the window, how many these are, how
            many milliseconds after the frame it came, how many frames were dropped so far; or, of
            a frame that is broken, or that the model has no answer to, the error.

    Raises:
        ImageError: The stream cannot be read, or ended without a frame.
    """
    mailbox.start()
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
            pixels = current.load_pixels(frame.data)
            answers.append(current.answer(pixels))
        except (ImageError, EngineError) as error:
            line["error"] = describe_fault(error)
        else:
            line |= current.combine(answers).to_dict()
            del line["stage_ms"]
            line["num_frames"] = len(answers)
            line |= {"bundle": current.bundle.spec.name, "variant": current.variant}
        line["delay_ms"] = 1e3 * (time.monotonic() - frame.complete_s)
        line["num_dropped"] = mailbox.num_dropped
        on_line(line)
        if scenes is not None and "answer" in line:
            alone = current.combine([answers[-1]])
            scenes.look_at(frame, pixels, alone, Source.of(current))
