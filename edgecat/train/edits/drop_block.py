"""A residual block out: what comes in goes on."""

from torch import nn

from edgecat.train.edit import Edit, Look, read_number
from edgecat.train.mobilenet_blocks import choose_blocks, find_blocks


def _find(network: nn.Module) -> list[int]:
    return [number for number, block in find_blocks(network).items() if block.has_shortcut]


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    fitting = _find(network)
    [block] = choose_blocks(network, fitting, [read_number(argument)], "block with a shortcut")
    network.get_submodule("features")[block.number] = nn.Identity()  # type: ignore[operator]


ENTRY = Edit(
    form="drop-block:N",
    about="a residual block out",
    exact_when="where the block adds nothing",
    change=_change,
    propose=_find,
    lasting_ratio=0.08,
)
