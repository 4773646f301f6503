"""BatchNorm over a batch that several ranks share: statistics of the batch, not of each part.

With each rank's own statistics the curve of a run depends on how many there are
(benchmarks/accuracy/ranks.py). torch's SyncBatchNorm computes on GPUs alone; on a processor there
is this one.
"""

from typing import Any, cast

import torch
from torch import Tensor, distributed, nn

# Over photos and places, of maps [N, C, H, W].
_AXES = (0, 2, 3)


class _Gather(torch.autograd.Function):
    """The vectors of all ranks `[R, K]`; what they give depends on those of each."""

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
    """BatchNorm whose statistics are those of all ranks' photos.

    While it learns, all ranks have to call it, each with its part of the batch.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, maps: Tensor) -> Tensor:
        """Return normalised maps: float32 `[N, C, H, W]`."""
        if not self.training:
            return super().forward(maps)
        variance, mean = torch.var_mean(maps, _AXES, correction=0)  # [C] of this part
        num_values = maps.new_tensor([maps.numel() / self.num_features])
        rows = cast(Tensor, _Gather.apply(torch.cat([mean, variance, num_values])))  # type: ignore[no-untyped-call]
        means, variances, nums = rows.tensor_split([len(mean), 2 * len(mean)], dim=1)  # [R, C]
        shares = nums / nums.sum()
        mean = (shares * means).sum(0)  # [C] of the batch
        variance = (shares * (variances + (means - mean).square())).sum(0)
        self._note(mean.detach(), variance.detach(), nums.sum())
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return maps * scale[:, None, None] + shift[:, None, None]

    def _note(self, mean: Tensor, variance: Tensor, num_values: Tensor) -> None:
        """Move the statistics that are used when nothing is learned, as BatchNorm does."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * num_values / (num_values - 1), self.momentum)
        self.num_batches_tracked += 1


def share_batch_norms(network: nn.Module, device: torch.device) -> None:
    """Let each BatchNorm take the statistics of all ranks' photos; parameters stay the same.

    Args:
        network: Changed in place.
        device: Where it will learn.
    """
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.load_state_dict(child.state_dict())
                setattr(parent, name, shared)
