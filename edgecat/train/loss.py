"""What a step makes smaller: how far answers are from the labels, and from a teacher's."""

import torch
from torch import Tensor
from torch.nn import functional

from edgecat.train.batches import Batch
from edgecat.train.data import NO_TARGET
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.recipe import Recipe


def count_photos(batch: Batch, ranks: Ranks = ALONE) -> Tensor:
    """Return how many photos of a batch have a label, and how many there are: int64 `[2]`.

    Args:
        batch: This rank's part of it.
        ranks: Who share it.
    """
    is_known = batch.targets != NO_TARGET
    return ranks.sum(torch.stack([is_known.sum(), torch.ones_like(is_known).sum()]))


def measure_loss(logits: Tensor, part: Batch, recipe: Recipe, num_photos: Tensor) -> Tensor:
    """Return the loss of a batch, a scalar; of a part of it, what that adds.

    Args:
        logits: float32 `[N, K]`, of the network that learns.
        part: What it saw.
        recipe: What labels and teacher weigh.
        num_photos: Of the whole batch, as `count_photos` returns it.
    """
    weight = recipe.teacher_ratio if part.answers is not None else 0.0
    loss = logits.new_zeros(())
    if weight < 1:
        labels = functional.cross_entropy(
            logits, part.targets, label_smoothing=recipe.label_smoothing, reduction="sum"
        )
        loss = loss + (1 - weight) * labels / num_photos[0].clamp(min=1)
    if part.answers is not None and weight:
        distance = _measure_distance(logits, part.answers, recipe.temperature)
        loss = loss + weight * distance / num_photos[1]
    return loss


def _measure_distance(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Return how far the student's answers are from the teacher's, both softened, in all.

    The factor keeps the size of the gradients whatever the temperature. Source: Hinton, Vinyals,
    Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2.
    """
    distance = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1),
        functional.log_softmax(answers / temperature, dim=1),
        reduction="sum",
        log_target=True,
    )
    return temperature**2 * distance
