"""The command `edgecat serve`."""

import logging
from pathlib import Path
from traceback import format_exception
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import (
    address_options,
    allow_older_option,
    device_option,
    keep_options,
    power_save_option,
    signer_option,
    variant_option,
)
from edgecat.cli.output import TerminalProgress
from edgecat.cli.sinks import open_outbox, outbox_options
from edgecat.keep.place import KeepPlace


@click.command("serve", short_help=COMMANDS["serve"])
@click.argument("bundle")
@variant_option
@address_options(port=8000)
@click.option(
    "--max-body-mb",
    default=16,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Larger photos are refused. All of them together hold 64 MB, or twice this if more.",
)
@click.option(
    "--queue",
    "max_waiting",
    default=16,
    show_default=True,
    # Each has a connection, and a process may usually have 1024 files open.
    type=click.IntRange(1, 900),
    help="How many photos may wait; more are turned away with 503.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Of the model; default: the fastest that edgecat tune measured, or all cores, but one.",
)
@keep_options
@device_option
@power_save_option
@signer_option
@allow_older_option
@outbox_options
def command(
    bundle: str,
    variant: str | None,
    address: dict[str, Any],
    max_body_mb: int,
    max_waiting: int,
    threads: int | None,
    keep: KeepPlace | None,
    device: str | None,
    power_save: bool,
    signer: Path | None,
    allow_older: bool,
    sinking: dict[str, Any],
) -> None:
    """Answer photos over HTTP, with a page for people.

    BUNDLE is a folder, a link to one, or the name of a released model (cats12). When another
    bundle takes its place, or on SIGHUP, the server goes over to it without losing a request; one
    that is damaged is refused, and the old one serves on (see /healthz).

    \b
      edgecat serve cats12                              then open http://127.0.0.1:8000/
      curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:8000/v1/predict
      curl -F photo=@cat.jpg http://127.0.0.1:8000/v1/predict

    For other machines, with a token of your own:

    \b
      (umask 077; openssl rand -hex 32 > token)
      edgecat serve cats12 --host 0.0.0.0 --token-file token
      curl -H "Authorization: Bearer $(cat token)" -F photo=@cat.jpg http://HOST:8000/v1/predict

    The token travels unencrypted: outside of a network that you trust, put a web server with TLS
    in front. Where the line, the memory or the connections are full, whoever holds most of them or
    is slow has to make room.

    With --mqtt or --post each answer is told there, too (edgecat help home-automation).

    For machines: GET /openapi.json describes all there is, GET /v1/model the model in use,
    GET /healthz says that the server is well, GET /metrics counts (Prometheus).
    """
    from edgecat.service.signals import Signals

    progress = TerminalProgress()
    # Signals first, before what takes time: a SIGHUP would end the process.
    with Signals() as signals, open_outbox(sinking, "photos", progress) as tell:
        from edgecat.keep.keeper import open_keeper
        from edgecat.runtime.choice import AtMost
        from edgecat.serve.app import Audience
        from edgecat.serve.limits import Limits
        from edgecat.serve.server import Address, choose_threads, serve
        from edgecat.service.live import LiveClassifier

        where = Address(**address)
        limits = Limits(max_body_bytes=max_body_mb * 2**20, max_waiting=max_waiting)
        options = {"signer": signer, "allow_older": allow_older, "device": device}
        most = threads or AtMost(choose_threads())
        classifier = LiveClassifier(bundle, variant, threads=most, power_save=power_save, **options)
        _show_only_mistakes()
        with open_keeper(keep, progress) as keeper:
            serve(classifier, where, limits, signals, Audience(progress.say, tell), keeper)
    click.get_current_context().exit(signals.exit_code)


class _Mistakes(logging.Handler):
    """Prints what went wrong in the server itself, and none of its libraries' other lines."""

    _last = ""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        text = f"a mistake of edgecat, please report it:\n{''.join(format_exception(error))}"
        if isinstance(error, OSError):
            text = f"the system: {error.strerror or error}"
        if text != self._last:  # too many open files are told a hundred times a second
            TerminalProgress().say(text)
        self._last = text


def _show_only_mistakes() -> None:
    """Keep from the terminal what libraries say of clients: these are told by our answers."""
    mistakes = _Mistakes()
    for library in ("uvicorn", "asyncio", "python_multipart"):
        logging.getLogger(library).addHandler(mistakes)
        logging.getLogger(library).propagate = False
