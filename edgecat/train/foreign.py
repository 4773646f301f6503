"""Weights of the same network that another library has under other names."""

from collections.abc import Mapping

from torch import Tensor


def rename(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return weights under the names that a network has for them, if they are in its order.

    Libraries call the layers of a network differently, but list them as they are computed, and
    torch lists the tensors of a layer in one order. So where no name fits, each tensor is taken
    for the one that stands at its place; all of these must have the same shape and the same last
    name ("weight", "running_mean"), or the names are left as they are. What comes after them (the
    output layer of other classes) is dropped.

    Args:
        given: A state_dict.
        wanted: The network's own, of the layers that are to be loaded.
    """
    if given.keys() & wanted.keys() or len(given) < len(wanted):
        return given
    pairs = list(zip(given.items(), wanted.items(), strict=False))
    if any(_kind(*one) != _kind(*other) for one, other in pairs):
        return given
    return {name: tensor for (_, tensor), (name, _) in pairs}


def _kind(name: str, tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    return name.rpartition(".")[2], tuple(tensor.shape)
