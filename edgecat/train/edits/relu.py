"""Hard-swish becomes ReLU, which is cheaper, and exact in 8 bits."""

from torch import nn

from edgecat.train.edit import ALL, Edit, Look, read_numbers
from edgecat.train.mobilenet_blocks import check_numbers, find_parts


def _find(network: nn.Module) -> dict[int, list[str]]:
    """Return the names of each part's hard-swishes, where it has any."""
    found = {number: _list_swishes(part) for number, part in find_parts(network).items()}
    return {number: names for number, names in found.items() if names}


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    swishes = _find(network)
    wanted = read_numbers(argument) if argument else tuple(swishes)
    check_numbers(swishes, wanted, "part with hard-swish")
    parts = find_parts(network)
    for number in wanted:
        for name in swishes[number]:
            parts[number].set_submodule(name, nn.ReLU(inplace=True))


def _list_swishes(part: nn.Module) -> list[str]:
    return [name for name, layer in part.named_modules() if isinstance(layer, nn.Hardswish)]


ENTRY = Edit(
    form="relu[:N,...]",
    about="hard-swish becomes ReLU",
    exact_when="nowhere",
    change=_change,
    propose=lambda network: [ALL, *_find(network)],
    changes_layers=True,
    lasting_ratio=0.24,
)
