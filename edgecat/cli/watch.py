"""The command `edgecat watch`."""

import functools
from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NumberRange, keep_options, opening_options
from edgecat.cli.output import TerminalProgress, percent
from edgecat.cli.sinks import Teller, build_sinks, sink_options
from edgecat.keep.place import KeepPlace


@click.command("watch", short_help=COMMANDS["watch"])
@click.argument("bundle")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Results file, best outside of DIR: a line is added for each photo.",
)
@click.option(
    "--rotate",
    "rotate_mb",
    type=click.IntRange(1),
    metavar="MB",
    help="Begin a new results file at this size; old ones are numbered and stay. Default: never.",
)
@opening_options
@click.option("--once", is_flag=True, help="Answer the photos that are there, then end.")
@click.option(
    "--settle",
    "settle_s",
    default=2.0,
    show_default=True,
    type=NumberRange(0, max=3600),
    metavar="SECONDS",
    help="A file that has not changed for so long has arrived whole.",
)
@click.option(
    "--patience",
    "patience_s",
    default=60.0,
    show_default=True,
    type=NumberRange(0, max=86400),
    metavar="SECONDS",
    help="A file that is no photo and has not changed for so long is reported as broken.",
)
@sink_options
@keep_options
@click.pass_context
def command(
    context: click.Context,
    bundle: str,
    folder: Path,
    out: Path,
    rotate_mb: int | None,
    opening: dict[str, Any],
    once: bool,
    settle_s: float,
    patience_s: float,
    sinking: dict[str, Any],
    keep: KeepPlace | None,
) -> None:
    """Classify photos as they arrive in a folder, each once.

    BUNDLE is a folder that 'edgecat export' wrote, a link to one, or the name of a released model
    (cats12). DIR is watched with its sub-folders; hidden files, links and the temporary names of
    uploads (.part, .tmp, ...) are passed over.

    Each line of the results file is JSON: the photo's name, size, time and SHA-256, and the answer
    or, of a broken photo, the error. The file is a log: read it, rotate it (--rotate, or logrotate
    with or without copytruncate), take it away. What is done is kept beside it, in
    FILE.done.sqlite: after a restart, a kill, a power cut or a rotation the same command goes on
    where it was, and each photo has one line. A file that is replaced by another content is a new
    photo; one that is renamed is not. What has been deleted for 30 days is forgotten.

    With --mqtt each answer also goes to a broker. Nobody waits for that: while it is away, answers
    wait on the disk, in the same file as what is done, and none is lost or told twice.

    Another bundle that takes the place of BUNDLE is used from then on, if it is good. SIGHUP asks
    to open it again; SIGTERM and Ctrl-C end after the photo under way.

    \b
      edgecat watch cats12 /srv/camera --out results.jsonl
      edgecat watch cats12 /srv/camera --out results.jsonl --once          from cron
      edgecat watch cats12 /srv/camera --out results.jsonl --mqtt mqtts://homeassistant.local
      edgecat watch cats12 /srv/camera --out results.jsonl --keep kept
    """
    from edgecat.errors import ConfigError, ImageError
    from edgecat.service.live import LiveClassifier
    from edgecat.service.process import Service
    from edgecat.watch.content import load_photo
    from edgecat.watch.loop import WatchJob, watch

    if str(out) == "-":
        raise ConfigError(
            "--out -: results are kept in a file; standard output has a line a photo in any case. "
            "Give a file, such as --out results.jsonl (or --out ./- for one of that name)"
        )
    progress = TerminalProgress()
    teller = Teller(folder.resolve().name, out, functools.partial(load_photo, folder))
    sinks = build_sinks(sinking, teller, progress.say)
    with Service(progress) as service:
        classifier = LiveClassifier(bundle, **opening)
        if news := classifier.current.choice.news:
            progress.say(news)
        job = WatchJob(
            folder,
            out,
            settle_s,
            patience_s,
            once,
            rotate_bytes=None if rotate_mb is None else rotate_mb * 2**20,
            keep=keep,
        )
        try:
            outcome = watch(classifier, job, service, progress, on_line=_print_line, sinks=sinks)
        except BrokenPipeError:
            progress.say(
                f"stopped: nobody reads standard output any more. All that was answered is in "
                f"{out}; the same command goes on with the rest"
            )
            raise
    if once:
        click.echo(f"{outcome.num_answered} answered, {outcome.num_broken} broken", err=True)
    context.exit(ImageError.exit_code if outcome.num_unreadable else service.exit_code)


def _print_line(photo: str, result: dict[str, Any]) -> None:
    name = photo if photo.isprintable() else repr(photo)  # whoever uploads chooses the names
    if "error" in result:
        _print(f"{name}: broken: {result['error']}")
    else:
        _print(f"{name}: {result['answer']} {percent(result['probability'])}")


def _print(line: str) -> None:
    """Print a line; on a full disk it is lost, the results file has it."""
    try:
        click.echo(line)
    except BrokenPipeError:
        raise
    except OSError:
        pass
