"""What an epoch changes: a network, the moving average of its weights, and an optimizer."""

import dataclasses
import itertools
import math
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgecat.train.network import PhotoNetwork
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.recipe import Recipe
from edgecat.train.shared_layers import share_layers


@dataclasses.dataclass(frozen=True)
class Learner:
    """What an epoch changes.

    Attributes:
        network: It learns.
        average: Moving average of its weights and of BatchNorm's statistics.
        optimizer: AdamW; each of its groups knows its `peak` rate.
        device: Where all of it lies.
        ranks: The processes that take each step together, each with such a learner.
        forward: What a step calls with photos: the network, or torch's DistributedDataParallel
            around it, by which each rank gets the mean of all gradients.
    """

    network: PhotoNetwork
    average: AveragedModel
    optimizer: torch.optim.AdamW
    device: torch.device
    ranks: Ranks
    forward: nn.Module

    @property
    def averaged(self) -> PhotoNetwork:
        """Return the network that is validated and kept in the end."""
        return cast(PhotoNetwork, self.average.module)


def build_learner(
    network: PhotoNetwork, recipe: Recipe, device: torch.device, ranks: Ranks = ALONE
) -> Learner:
    """Move a network to a device and make what it learns with."""
    network.to(device)
    average = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
    return Learner(
        network,
        AveragedModel(network, multi_avg_fn=average, use_buffers=True),
        _build_optimizer(network, recipe),
        device,
        ranks,
        network,
    )


def connect(learner: Learner, recipe: Recipe) -> Learner:
    """Return a learner whose steps all ranks take together.

    From here on none of them may use its network in training mode alone.
    """
    network, ranks, device = learner.network, learner.ranks, learner.device
    if ranks.size == 1:
        return learner
    share_layers(network, ranks, device, sync_batch_norm=recipe.sync_batch_norm)
    return dataclasses.replace(learner, forward=DistributedDataParallel(network))


def _build_optimizer(network: PhotoNetwork, recipe: Recipe) -> torch.optim.AdamW:
    """Return AdamW with four groups: backbone and head, vectors and matrices."""
    head = {id(parameter) for parameter in network.head.parameters()}
    groups = [
        {
            "params": [
                parameter
                for parameter in network.parameters()
                if (id(parameter) in head, parameter.ndim > 1) == (is_head, is_matrix)
            ],
            "weight_decay": recipe.weight_decay if is_matrix else 0.0,
            "peak": recipe.rate if is_head else recipe.backbone_rate,
        }
        for is_head, is_matrix in itertools.product((False, True), repeat=2)
    ]
    return torch.optim.AdamW(groups, lr=0.0, fused=True)


def set_rates(optimizer: torch.optim.AdamW, done_steps: int, num_steps: int, warmup: float) -> None:
    """Set the rates of a step: linear warm-up, then a cosine down to 0.

    Source: Loshchilov & Hutter, "SGDR" (2016), without restarts.

    Args:
        optimizer: Whose groups have a `peak`.
        done_steps: How many steps of the run are done.
        num_steps: How many the run has.
        warmup: Share of the steps in which the rate rises, 0-1.
    """
    num_warmup = max(1, round(warmup * num_steps))
    if done_steps < num_warmup:
        factor = (done_steps + 1) / num_warmup
    else:
        done_ratio = (done_steps - num_warmup) / max(1, num_steps - num_warmup)
        factor = (1 + math.cos(math.pi * done_ratio)) / 2
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
