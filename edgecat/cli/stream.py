"""The command `edgecat stream`."""

import os
import stat
import sys
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import keep_options, opening_options
from edgecat.cli.output import TerminalProgress, print_json
from edgecat.cli.sinks import open_outbox, outbox_options
from edgecat.keep.place import KeepPlace


@click.command("stream", short_help=COMMANDS["stream"])
@click.argument("bundle")
@click.option(
    "--window",
    default=5,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many frames to average; 1 for each frame alone.",
)
@opening_options
@outbox_options
@keep_options
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    window: int,
    opening: dict[str, Any],
    sinking: dict[str, Any],
    keep: KeepPlace | None,
) -> None:
    """Classify the newest frame of a camera, again and again.

    Reads JPEG frames (MJPEG) on standard input and writes a line of JSON for each that it answers.
    Where the model is slower than the camera, it takes the newest frame and counts those that it
    dropped; of a recording (< clip.mjpeg) none is dropped. Probabilities are averaged over a
    window of frames, so that one odd frame does not change the answer.

    BUNDLE is a folder that 'edgecat export' wrote, a link to one, or the name of a released model
    (cats12). Another bundle that takes its place is used from then on, if it is good; SIGHUP asks
    to open it again.

    With --mqtt or --post each answer that is another one than the last is told there, too
    (edgecat help home-automation).

    With --keep, of frames that look alike one is kept, and none within 5 seconds of the last.

    \b
      rpicam-vid --codec mjpeg -t 0 -o - | edgecat stream cats12
      ffmpeg -i rtsp://camera/1 -f mjpeg - | edgecat stream first.edgecat --window 10
      rpicam-vid --codec mjpeg -t 0 -o - | edgecat stream cats12 --keep kept
    """
    from edgecat.errors import ConfigError
    from edgecat.keep.keeper import open_keeper
    from edgecat.service.live import LiveClassifier
    from edgecat.service.process import Service
    from edgecat.stream.loop import stream
    from edgecat.stream.mailbox import Mailbox
    from edgecat.stream.news import News
    from edgecat.stream.scenes import GAP_S, Scenes

    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError(
            "standard input: no stream of frames; pipe one in, such as "
            "rpicam-vid --codec mjpeg -t 0 -o - | edgecat stream cats12"
        )
    source = sys.stdin.fileno()
    is_recording = stat.S_ISREG(os.fstat(source).st_mode)
    progress = TerminalProgress()

    def read(size: int) -> bytes:
        # Not sys.stdin.buffer: its lock, held by a thread that waits, would spoil the exit.
        return os.read(source, size)

    with Service(progress) as service, open_outbox(sinking, "camera", progress) as tell:
        news = None if tell is None else News(tell)

        def pass_on(line: dict[str, Any]) -> None:
            if news is not None:
                news.hear(line)
            print_json(line, is_line=True)

        classifier = LiveClassifier(bundle, **opening)
        if found := classifier.current.choice.news:
            progress.say(found)
        mailbox = Mailbox(read, progress, drop=not is_recording)
        with open_keeper(keep, progress) as keeper:
            gap_s = 0 if is_recording else GAP_S
            scenes = None if keeper is None else Scenes(keeper, gap_s)
            stream(classifier, mailbox, service, window=window, scenes=scenes, on_line=pass_on)
    context.exit(service.exit_code)
