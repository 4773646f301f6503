"""Changes that make a network leaner; each kind is a file of `train.edits`.

A lean network is a network and its edits, and its name says both:
"NETWORK+no-se+side:192". So whatever builds a network by name knows it: training,
resuming, a teacher, export and bundles have no code for it.
"""

import copy
import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from edgecat.errors import ConfigError
from edgecat.registry import Registry
from edgecat.train.architecture import Architecture

if TYPE_CHECKING:  # `edgecat finetune --help` lists edits without torch
    from torch import Tensor, nn

#: What stands before each edit in a network's name.
SEPARATOR = "+"

#: Most photos that an edit looks at: means over more hardly change, and it is to take seconds.
MAX_SHOWN = 2048

#: The argument of an edit that changes all that it can.
ALL = ""

_NUMBERS = re.compile("[0-9]{1,4}(,[0-9]{1,4})*")


class Look(Protocol):
    """What shows training photos to a network."""

    def __call__(
        self, network: "nn.Module", layers: "Sequence[nn.Module]", max_photos: int = MAX_SHOWN
    ) -> "Iterator[list[tuple[Tensor, Tensor]]]":
        """Yield what each layer read and what it made of it, batch by batch.

        Args:
            network: What `Architecture.build` returned; it learns nothing.
            layers: Of it.
            max_photos: The most to show, evenly taken.
        """


def _keep(architecture: Architecture, argument: str) -> Architecture:
    return architecture


@dataclasses.dataclass(frozen=True)
class Edit:
    """A kind of change.

    Attributes:
        form: How one is written, with its argument: "drop-block:N".
        about: What it changes, in a few words.
        exact_when: On which networks it changes no answer.
        change: Changes a network in place: its layers, and, of a trained network, its weights, so
            that it answers as nearly as before as can be. It gets the argument and what shows
            training photos to the network; None where the weights will be replaced anyway.
            Names of layers that it leaves stay what they are. Raises `ConfigError` where the
            network has no such part.
        propose: Returns the arguments that are worth a try on a network; some may not fit.
        amend: Returns what is then known of the network, by the argument.
        changes_layers: Whether it changes layers of blocks, so that what they made before is to be
            fitted by their projections, see `edgecat.train.refit`.
        scales_all: Whether it makes all of a network quicker, and not a part.
        lasting_ratio: Share of what it costs at once that is left when the network has learned on.
            Source: benchmarks/results/*/lasting_costs*.json; all of it where nobody measured that.
    """

    form: str
    about: str
    exact_when: str
    change: "Callable[[nn.Module, str, Look | None], None]"
    propose: "Callable[[nn.Module], Iterable[object]]"
    amend: Callable[[Architecture, str], Architecture] = _keep
    changes_layers: bool = False
    scales_all: bool = False
    lasting_ratio: float = 1.0


#: By name, as in `--edit NAME:ARGUMENT`.
EDITS: Registry[Edit] = Registry("edgecat.train.edits", "edit", is_hyphened=True)


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of the network that a lean one was made of, and its edits, in order."""
    network, *edits = name.split(SEPARATOR)
    return network, tuple(edits)


def join_name(name: str, edits: tuple[str, ...]) -> str:
    """Return the name of a network with further edits."""
    return SEPARATOR.join((name, *edits))


def apply_edit(network: "nn.Module", text: str, look: Look | None = None) -> None:
    """Change a network in place, see `Edit.change`.

    Args:
        network: What `Architecture.build` returned.
        text: "NAME" or "NAME:ARGUMENT".
        look: None for a network whose weights will be replaced.

    Raises:
        ConfigError: There is no such edit, or it does not fit the network.
    """
    edit, argument = _read(text)
    before = copy.deepcopy(network) if edit.changes_layers and look is not None else None
    try:
        edit.change(network, argument, look)
    except ConfigError as error:
        raise ConfigError(f"edit {text}: {error}") from error
    if before is not None and look is not None:
        from edgecat.train.refit import refit_blocks  # needs torch

        refit_blocks(before, network, look)


def edit_architecture(architecture: Architecture, text: str) -> Architecture:
    """Return what is known of a network after an edit.

    Raises:
        ConfigError: There is no such edit, or its argument is none.
    """
    edit, argument = _read(text)
    try:
        amended = edit.amend(architecture, argument)
    except ConfigError as error:
        raise ConfigError(f"edit {text}: {error}") from error
    build = partial(_build_edited, architecture.build, text)
    return dataclasses.replace(amended, build=build, is_default=False)


def _build_edited(build: "Callable[[int], nn.Module]", text: str, num_classes: int) -> "nn.Module":
    network = build(num_classes)
    apply_edit(network, text)
    return network


def _read(text: str) -> tuple[Edit, str]:
    name, colon, argument = text.partition(":")
    if name not in EDITS or (colon and not argument):
        forms = ", ".join(edit.form for edit in EDITS.load_all().values())
        raise ConfigError(f"edit {text}: accepted are {forms}")
    return EDITS.load(name), argument


def kind_of(edit: str) -> str:
    """Return which of `EDITS` an edit is: "no-se:4" -> "no-se"."""
    return edit.partition(":")[0]


def read_numbers(argument: str) -> tuple[int, ...]:
    """Return the numbers of an argument: "4,5" -> (4, 5).

    Raises:
        ConfigError: Not whole numbers with commas between, each once, in order.
    """
    numbers = tuple(map(int, argument.split(","))) if _NUMBERS.fullmatch(argument) else ()
    if not numbers or sorted(set(numbers)) != list(numbers):
        raise ConfigError(f"{argument!r}: accepted are numbers in order, such as 4 or 4,5")
    return numbers


def read_number(argument: str) -> int:
    """Return the one number of an argument.

    Raises:
        ConfigError: It is none.
    """
    numbers = read_numbers(argument)
    if len(numbers) != 1:
        raise ConfigError(f"{argument!r}: accepted is one number, such as 4")
    return numbers[0]


def refuse_argument(argument: str) -> None:
    """Refuse an argument where an edit takes none.

    Raises:
        ConfigError: There is one.
    """
    if argument:
        raise ConfigError(f"takes nothing behind a colon, got {argument!r}")
