"""Layers that see a whole batch where several ranks share it: its statistics, its dropout.

With statistics of their own the curve of a run would depend on how many ranks there are
(benchmarks/accuracy/ranks.py). torch's SyncBatchNorm computes on GPUs alone, and drops what timm's
BatchNorm does beside; for all else there is the one below. The layers keep the parameters and
buffers of those that they replace.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from edgecat.errors import TrainError
from edgecat.train.ranks import Ranks

# By name, for timm is only there if a network of it is: its layer goes on with its children.
_KNOWN = ("BatchNorm2d", "BatchNormAct2d")

# Over photos and places, of maps [N, C, H, W].
_AXES = (0, 2, 3)


class _Gather(torch.autograd.Function):
    """The vectors of all ranks `[R, K]`; what is made of them depends on each rank's."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        rows = values.new_zeros(distributed.get_world_size(), len(values))
        rows[distributed.get_rank()] = values
        distributed.all_reduce(rows)
        return rows

    @staticmethod
    def backward(ctx: Any, gradients: Tensor) -> Tensor:
        total = gradients.clone()
        distributed.all_reduce(total)
        return total[distributed.get_rank()]


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm with the statistics of the whole batch; in training mode all ranks call it.

    What it has for children, as timm's has dropout and an activation, its maps go through in turn.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, maps: Tensor) -> Tensor:
        """Return normalised maps: as they come, `[N, C, H, W]`."""
        maps = self._normalise(maps) if self.training else super().forward(maps)
        for child in self.children():
            maps = child(maps)
        return maps

    def _normalise(self, maps: Tensor) -> Tensor:
        values = maps.float()  # bf16 has too few digits for sums
        variance, mean = torch.var_mean(values, _AXES, correction=0)  # [C], of this part
        num_values = values.new_tensor([values.numel() / self.num_features])
        told = torch.cat([mean, variance, num_values])
        rows = cast(Tensor, _Gather.apply(told))  # type: ignore[no-untyped-call]
        means, variances, nums = rows.tensor_split([len(mean), 2 * len(mean)], dim=1)  # [R, C]
        shares = nums / nums.sum()
        mean = (shares * means).sum(0)  # [C], of the batch
        variance = (shares * (variances + (means - mean).square())).sum(0)
        self._note(mean.detach(), variance.detach(), nums.sum().detach())
        scale = self.weight * torch.rsqrt(variance + self.eps)
        # The mean first: where it is large beside the deviation, products with it lose digits.
        centred = values - mean[:, None, None]
        shared = torch.addcmul(self.bias[:, None, None], centred, scale[:, None, None])
        return shared.to(maps.dtype)

    def _note(self, mean: Tensor, variance: Tensor, num_values: Tensor) -> None:
        """Move the statistics that are used when nothing is learned, as BatchNorm does."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * num_values / (num_values - 1), self.momentum)
        self.num_batches_tracked += 1


class SharedDropout(nn.Module):
    """Dropout with the chance that each photo would have in a process that is alone."""

    def __init__(self, drop_ratio: float, ranks: Ranks) -> None:
        """Drop a share of the features, 0-1."""
        super().__init__()
        self.drop_ratio, self.ranks = drop_ratio, ranks

    def forward(self, features: Tensor) -> Tensor:
        """Return float32 `[N, C]`; all ranks have the same seed, and take other rows."""
        if not self.training:
            return features
        num_photos = int(self.ranks.sum(torch.tensor(len(features))))
        ones = features.new_ones(num_photos, *features.shape[1:])
        kept = functional.dropout(ones, self.drop_ratio)
        return features * kept[self.ranks.span(num_photos)]


def share_layers(
    network: nn.Module, ranks: Ranks, device: torch.device, *, sync_batch_norm: bool
) -> None:
    """Let a network's layers see the whole batch.

    Args:
        network: Changed in place.
        ranks: Who share each batch.
        device: Where the network is.
        sync_batch_norm: Whether BatchNorm, too, sees all of it.

    Raises:
        TrainError: A BatchNorm of another kind was to.
    """
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Dropout:
                setattr(parent, name, SharedDropout(layer.p, ranks).train(layer.training))
            elif isinstance(layer, _BatchNorm) and sync_batch_norm:
                setattr(parent, name, _share_batch_norm(layer, device))


def _share_batch_norm(layer: _BatchNorm, device: torch.device) -> nn.Module:
    kind = type(layer).__name__
    if kind not in _KNOWN or not layer.affine:
        raise TrainError(
            f"{kind} of this network cannot take its statistics from several ranks; let each rank "
            "have its own, --set sync_batch_norm=false, or learn in one process"
        )
    if type(layer) is nn.BatchNorm2d and device.type == "cuda":
        on_gpu: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(layer)  # type: ignore[no-untyped-call]
        return on_gpu
    shared = SharedBatchNorm(layer.num_features, layer.eps, layer.momentum)
    for name, parameter in layer.named_parameters(recurse=False):
        setattr(shared, name, parameter)
    for name, buffer in layer.named_buffers(recurse=False):
        setattr(shared, name, buffer)
    for name, child in layer.named_children():
        setattr(shared, name, child)
    return shared.train(layer.training)
