"""Options that several commands have, so that each reads alike everywhere."""

import functools
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from edgecat.errors import ConfigError
from edgecat.keep.place import KeepPlace

_Decorator = Callable[[Callable[..., None]], Callable[..., None]]


# macOS and Linux ask for the user that this process acts as; elsewhere there is but one.
_HAS_EFFECTIVE_IDS = os.access in os.supports_effective_ids


class NumberRange(click.FloatRange):
    """A range of numbers. NaN is in none, whatever comparisons say of it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


class NewFile(click.Path):
    """A file that is written when the work is done: that it can be is asked before."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        """Take a path; with `allow_dash`, "-" for standard output, too."""
        super().__init__(dir_okay=False, allow_dash=allow_dash, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; of a link, of what it points to, which is replaced.

        Raises:
            ConfigError: There is no folder to write it into, or what stands there is no plain file:
                to root even /dev/null would be one to replace.
        """
        file = cast(Path, super().convert(value, param, ctx))
        if self.allow_dash and file == Path("-"):
            return file
        if file.is_symlink():
            file = Path(os.path.realpath(file))
        problem = ""
        if not file.parent.is_dir():
            problem = f"there is no folder {file.parent}; make it first"
        elif file.exists() and not file.is_file():
            dash = ", or - for standard output" if self.allow_dash else ""
            problem = f"no plain file; give another name{dash}"
        elif not os.access(file.parent, os.W_OK | os.X_OK, effective_ids=_HAS_EFFECTIVE_IDS):
            problem = f"you may not write into {file.parent}; choose another folder"
        if problem:
            option = f"{param.opts[0]} " if param else ""
            raise ConfigError(f"{option}{file}: {problem}")
        return file


result_option = click.option(
    "--json",
    "file",
    type=NewFile(allow_dash=True),
    help="Write the result to a file (- for standard output).",
)

variant_option = click.option(
    "--variant",
    help="One of those that 'edgecat inspect' shows; default: the fastest that 'edgecat tune' "
    "measured here, or else that ships here.",
)

threads_option = click.option(
    "--threads",
    type=int,
    help="Default: what 'edgecat tune' measured here, or else one per core that affinity and CPU "
    "quota leave.",
)

device_option = click.option(
    "--device",
    metavar="CPU|GPU|NPU|AUTO|HETERO:...",
    help="What to compute on, where the variant's engine has it; default: where 'edgecat tune' "
    "found it the fastest, or else the CPU.",
)

host_option = click.option(
    "--host",
    metavar="USER@DEVICE",
    help="Measure on that machine, over ssh with a key of yours: it asks for no password.",
)

install_option = click.option(
    "--install",
    is_flag=True,
    help="With --host: put this edgecat there first, for as long as it takes.",
)

power_save_option = click.option(
    "--power-save", is_flag=True, help="Threads that wait for work sleep."
)

list_option = click.option(
    "--list",
    "photo_list",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use the photos of DATA that this file names, a path a line, and leave the others out; "
    "'edgecat audit DATA --apply FILE' writes one.",
)

allow_older_option = click.option(
    "--allow-older",
    is_flag=True,
    help="With --require-signature: take a bundle although its owner's newer one was used here.",
)

signer_option = click.option(
    "--require-signature",
    "signer",
    type=click.Path(path_type=Path),
    metavar="PUBLIC.pem",
    help="Refuse a bundle that the owner of this key did not sign (see edgecat sign).",
)


def keep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of photos to keep, and hand them on as one: `keep`.

    That is an `edgecat.keep.place.KeepPlace`, or None.
    """

    @click.option(
        "--keep",
        "keep_folder",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Keep photos that are unknown or unsure (the two best probabilities less than 0.5 "
        "apart), and one in 50 of the others, in this folder as they came, for 'edgecat review "
        "DIR'. They stay on this machine, for this user alone; delete them whenever you like. "
        "Default: none is kept.",
    )
    @click.option(
        "--keep-mb",
        default=500,
        show_default=True,
        type=click.IntRange(1),
        help="With --keep: how much they may take; the oldest make room, not those with a label.",
    )
    @functools.wraps(command)
    def with_keep(*arguments: Any, keep_folder: Path | None, keep_mb: int, **given: Any) -> None:
        keep = None if keep_folder is None else KeepPlace(keep_folder, keep_mb * 2**20)
        command(*arguments, keep=keep, **given)

    return with_keep


def find_given(context: click.Context, names: Iterable[str]) -> str | None:
    """Return the first of some options that stands on the command line, as one types it.

    Args:
        context: Of the command.
        names: What the command calls the options.
    """
    typed = {param.name: param.opts[0] for param in context.command.params}
    given = (n for n in names if context.get_parameter_source(n) == ParameterSource.COMMANDLINE)
    return next((typed[name] for name in given), None)


def check_host_options(host: str | None, data: Path | None, *, install: bool) -> None:
    """Refuse what does not go together with --host, or without it.

    Raises:
        ConfigError: Photos, or --install without a host.
    """
    if install and host is None:
        raise ConfigError("--install: puts edgecat on the machine of --host, which is not given")
    if host is not None and data is not None:
        raise ConfigError(
            f"--data {data}: photos do not travel; leave it out with --host, and measure the "
            "accuracy here, or log in there"
        )


def opening_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of how a bundle is opened, and hand them on as one: `opening`.

    These are keyword arguments of `edgecat.runtime.classifier.Classifier.open`.
    """
    return hand_on_as("opening", _OPENING, command)


def address_options(*, port: int) -> _Decorator:
    """Give a server the options of where it listens, and hand them on as one: `address`.

    These are keyword arguments of `edgecat.serve.server.Address`.

    Args:
        port: The default.
    """
    port_option = click.option(
        "--port",
        default=port,
        show_default=True,
        type=click.IntRange(0, 65535),
        help="0 for any free one.",
    )
    options = {"host": _address_option, "port": port_option, "token_file": _token_option}
    return functools.partial(hand_on_as, "address", options)


def hand_on_as(
    name: str, options: Mapping[str, _Decorator], command: Callable[..., None]
) -> Callable[..., None]:
    """Give a command options, and hand them on as one dict.

    Args:
        name: Of the argument that the command gets.
        options: By the name that each has in the dict.
        command: Of click, or to become one.
    """

    @functools.wraps(command)
    def with_options(*arguments: Any, **given: Any) -> None:
        gathered = {option: given.pop(option) for option in options}
        command(*arguments, **{name: gathered}, **given)

    decorated: Callable[..., None] = with_options
    for option in reversed([*options.values()]):
        decorated = option(decorated)
    return decorated


_address_option = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="IP address to listen at, or localhost for 127.0.0.1 and ::1; others than this machine's "
    "own need --token-file.",
)

_token_option = click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="File with the token that clients have to send and pages ask for, 16 characters or more.",
)

_OPENING = {
    "variant": variant_option,
    "threads": threads_option,
    "device": device_option,
    "power_save": power_save_option,
    "signer": signer_option,
    "allow_older": allow_older_option,
}
