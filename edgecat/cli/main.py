"""The command group, and the one place where an error becomes a message and an exit code."""

import importlib
import sys
from typing import Any, cast

import click

from edgecat import __version__
from edgecat.cli.output import escape
from edgecat.cli.usage import describe_usage
from edgecat.cli.utf8 import ensure_utf8, escape_what_cannot_be_written
from edgecat.errors import ConfigError, EdgecatError, StorageError

# Name -> module and the line that `edgecat --help` shows. A command's module, and with it numpy
# or torch, is imported when that command is used, so that `edgecat --help` is quick.
COMMANDS = {
    "audit": "Look for what is wrong in a folder of labelled photos.",
    "finetune": "Fine-tune a pretrained network on a folder of labelled photos.",
    "edits": "Measure which edits of a network make it quicker on this machine.",
    "optimize": "Find quicker networks for this machine, and let them learn on.",
    "export": "Turn a finished run into a bundle: float and INT8 models, each proven.",
    "evaluate": "Measure a bundle's accuracy on labelled photos.",
    "benchmark": "Measure latency, memory and size of all variants of a bundle.",
    "profile": "Show where the time of a photo goes, operator by operator.",
    "compare": "Say what is faster, slower, better or worse in a later benchmark.",
    "report": "Show all that is known of a model on one page, and write its card.",
    "predict": "Say what photos show.",
    "explain": "Show where in photos a bundle sees a class.",
    "enroll": "Add a class to a bundle from a few photos, on the device.",
    "embed": "Write the feature vectors of photos, for search and clustering.",
    "doctor": "Say whether this machine is fit, and prove a bundle's answers on it.",
    "tune": "Measure on this device which variant is fastest, and use it from now on.",
    "serve": "Answer photos over HTTP, with a page for people.",
    "watch": "Classify photos as they arrive in a folder, each once.",
    "stream": "Classify the newest frame of a camera, JPEG frames on standard input.",
    "review": "Say what kept photos show, on a local page, key by key.",
    "drift": "Say whether the photos of the last week look like those of the training.",
    "inspect": "Show what is in a bundle and where it is from.",
    "bundle": "Make one file of a bundle, and a bundle of that file.",
    "keygen": "Make a pair of keys to sign bundles with.",
    "sign": "Sign a bundle, so that devices can tell it from others.",
    "data": "Get data sets to fine-tune on.",
    "demo": "Walk the whole path in one command, offline.",
    "help": "Explain a topic, with examples: 'edgecat help' lists them.",
}

#: What a shell says of a process that SIGPIPE ended, such as `yes` in `yes | head`.
BROKEN_PIPE = 141

# What the base install lacks, and the extra that brings it.
_EXTRAS = {
    **dict.fromkeys(
        ("torch", "torchvision", "onnx", "onnxscript", "safetensors", "matplotlib", "anyascii"),
        "train",
    ),
    **dict.fromkeys(("jinja2", "markupsafe"), "report"),
    **dict.fromkeys(
        ("uvicorn", "h11", "starlette", "python_multipart", "prometheus_client"), "serve"
    ),
    "paho": "mqtt",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"edgecat.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands, in the order of use"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgecat")
def cli() -> None:
    """Photo classifiers for small machines.

    Fine-tune a pretrained network on your photos, export it, quantize it to INT8 with proof that it
    still works, measure it, and run it on a Raspberry Pi or an Intel box without torch.

    \b
      edgecat predict cats12 cat.jpg             the released model, 12 cat breeds
      edgecat finetune PHOTOS --out RUN          PHOTOS has a sub-folder per class
      edgecat export RUN --out BUNDLE --int8
      edgecat benchmark BUNDLE --data PHOTOS
      edgecat predict BUNDLE cat.jpg
      edgecat help                               topics, each a page with examples
    """


# The names alone, for "Did you mean ...?".
cli.commands = cast(dict[str, click.Command], dict.fromkeys(COMMANDS))


def main(arguments: list[str] | None = None) -> None:
    """Run a command; exit with 0, or with a code of `edgecat.errors`.

    Args:
        arguments: Those behind "edgecat"; None for the process's own.
    """
    if arguments is None:
        ensure_utf8()
    escape_what_cannot_be_written()
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="edgecat", standalone_mode=False)
    except EdgecatError as error:
        click.echo(f"error: {escape(str(error))}", err=True)
        return error.exit_code
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.exceptions.NoArgsIsHelpError as help_request:
        help_request.show()
        return help_request.exit_code
    except click.ClickException as error:
        click.echo(f"error: {escape(describe_usage(error))}", err=True)
        return error.exit_code
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        requirement = _find_requirement(package)
        if requirement is None:
            raise
        click.echo(
            f"error: {package} is not installed: this command needs more than the device's base "
            f"install; pip install '{requirement}'",
            err=True,
        )
        return ConfigError.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except SystemExit:
        # click's own end after EPIPE: whoever read our output (head, less) has left.
        return BROKEN_PIPE
    except OSError as error:
        place = escape(str(error.filename or "the system"))
        click.echo(f"error: {place}: {error.strerror or error}", err=True)
        return StorageError.exit_code
    return result if isinstance(result, int) else 0


def _find_requirement(package: str) -> str | None:
    """Return what to install to have a package, None where edgecat does not ask for it."""
    if package in _EXTRAS:
        return f"edgecat[{_EXTRAS[package]}]"
    from edgecat.runtime.engine import ENGINES

    engines = ENGINES.load_all().values()
    return next((entry.requirement for entry in engines if entry.package == package), None)
