"""The hidden layer of the head out: the output layer reads the features themselves.

Its weights are those that come nearest to the trained head's logits over training photos.
"""

import dataclasses
from typing import cast

from torch import nn

from edgecat.errors import ConfigError
from edgecat.train.architecture import Architecture
from edgecat.train.edit import ALL, Edit, Look, refuse_argument
from edgecat.train.least_squares import LeastSquares
from edgecat.train.mobilenet_blocks import find_parts

# See `LeastSquares.solve`. Tried by hand from 0.001 to 1, on the validation photos of one run: no
# raw result.
_RIDGE_RATIO = 0.1


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    refuse_argument(argument)
    find_parts(network)  # refuses other networks
    head = cast(nn.Sequential, network.get_submodule("classifier"))
    linear = [layer for layer in head if isinstance(layer, nn.Linear)]
    if len(linear) == 1:
        raise ConfigError("the network's head has no hidden layer (left)")
    output = nn.Linear(linear[0].in_features, linear[-1].out_features)
    if look is not None:
        sums = LeastSquares(output.in_features, output.out_features)
        for [(features, logits)] in look(network, [head]):
            sums.add(features, logits)
        output.weight.data, output.bias.data = sums.solve(_RIDGE_RATIO)
    head[0], head[1], head[-1] = nn.Identity(), nn.Identity(), output


def _amend(architecture: Architecture, argument: str) -> Architecture:
    return dataclasses.replace(architecture, hidden_layers=())


ENTRY = Edit(
    form="no-hidden-head",
    about="the head's hidden layer out, its logits fitted by least squares",
    exact_when="where the head is linear on every photo",
    change=_change,
    propose=lambda network: [ALL],
    amend=_amend,
    lasting_ratio=0.49,
)
