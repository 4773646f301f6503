"""The edits that a network could have."""

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from edgecat.errors import ConfigError
from edgecat.train.architecture import find_architecture
from edgecat.train.edit import ALL, EDITS, Edit, join_name, kind_of

# A class more or less takes no time that a clock could see.
_NUM_CLASSES = 12

# Of biases and scales, which all begin alike.
_SPREAD = 0.01


def build_random(arch: str) -> nn.Module:
    """Return a network with random weights: a clock does not see which ones these are.

    Raises:
        ConfigError: There is no such network, or an edit does not fit it.
    """
    network = find_architecture(arch).build(_NUM_CLASSES).eval()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim == 1:
            tensor += torch.rand_like(tensor) * _SPREAD  # equal ones are written to files once
    return network


def list_edits(arch: str) -> tuple[str, ...]:
    """Return every edit that fits a network and that is worth a try, as `--edit` takes it.

    Raises:
        ConfigError: There is no such network.
    """
    network = build_random(arch)
    return tuple(
        text
        for name, edit in EDITS.load_all().items()
        for text in _write(name, edit, network)
        if _fits(arch, text)
    )


def _write(name: str, edit: Edit, network: nn.Module) -> list[str]:
    """Return what an edit proposes; nothing for a network that it does not know."""
    try:
        arguments = list(edit.propose(network))
    except ConfigError:
        return []
    return [name if argument == ALL else f"{name}:{argument}" for argument in arguments]


def _fits(arch: str, text: str) -> bool:
    try:
        build_random(join_name(arch, (text,)))
    except ConfigError:
        return False
    return True


def group_edits(edits: Iterable[str]) -> list[list[str]]:
    """Return edits by the part of the network that they change, from the input on.

    An edit that changes all that it can is left out where its kind can change parts, too: it is the
    sum of those.

    Args:
        edits: Such as `list_edits` returns.
    """
    by_part: dict[str, list[str]] = {}
    kinds_with_parts = {kind_of(edit) for edit in edits if ":" in edit}
    for edit in edits:
        name, _, argument = edit.partition(":")
        if argument or name not in kinds_with_parts:
            by_part.setdefault(argument.partition("=")[0] or name, []).append(edit)
    return [by_part[part] for part in sorted(by_part, key=_place_part)]


def _place_part(part: str) -> tuple[bool, int]:
    """Return where a part stands: in the order of its number, the head behind all."""
    return (False, int(part)) if part.isdecimal() else (True, 0)


def find_pairs(arch: str, edits: Sequence[str]) -> set[frozenset[str]]:
    """Return which edits of one part of a network go together: either may be made first.

    Raises:
        ConfigError: There is no such network.
    """
    return {
        frozenset(pair)
        for pair in itertools.combinations(edits, 2)
        if all(_fits(join_name(arch, (first,)), second) for first, second in (pair, pair[::-1]))
    }
