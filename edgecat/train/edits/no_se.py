"""Squeeze-and-excitation out, of all blocks or of some.

A gate scales each channel by a number that depends on the photo. In its place that number's mean
over training photos is multiplied into the projection, which reads these channels next.
"""

import torch
from torch import Tensor, nn

from edgecat.train.edit import ALL, Edit, Look, read_numbers
from edgecat.train.mobilenet_blocks import choose_blocks, find_blocks


def _find(network: nn.Module) -> dict[int, nn.Module]:
    """Return the gate of each block that has one."""
    return {n: block.gate for n, block in find_blocks(network).items() if block.gate is not None}


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    gates = _find(network)
    wanted = read_numbers(argument) if argument else tuple(gates)
    blocks = choose_blocks(network, gates, wanted, "block with squeeze-and-excitation")
    if look is not None:
        scales = _measure_scales(network, [gates[number] for number in wanted], look)
        for block, scale in zip(blocks, scales, strict=True):
            block.projection.conv.weight.data *= scale.reshape(1, -1, 1, 1)
    for block in blocks:
        block.replace(gates[block.number], nn.Identity())


def _measure_scales(network: nn.Module, gates: list[nn.Module], look: Look) -> list[Tensor]:
    """Return what each gate scales each channel by: float32 `[C]`, the mean over photos."""
    layers = [gate.get_submodule("scale_activation") for gate in gates]
    batches = [[made.flatten(1) for _, made in seen] for seen in look(network, layers)]  # [N, C]
    return [torch.cat(parts).mean(dim=0) for parts in zip(*batches, strict=True)]


ENTRY = Edit(
    form="no-se[:N,...]",
    about="squeeze-and-excitation out, its mean scale folded into the projection",
    exact_when="where it scales every photo alike",
    change=_change,
    propose=lambda network: [ALL, *_find(network)],
    changes_layers=True,
    lasting_ratio=1.07,
)
