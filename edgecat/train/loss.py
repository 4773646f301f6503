"""What a step makes smaller: how far answers are from the labels, and from a teacher's."""

from torch import Tensor
from torch.nn import functional

from edgecat.train.batches import Batch
from edgecat.train.data import NO_TARGET
from edgecat.train.recipe import Recipe


def measure_loss(logits: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
    """Return the loss of a batch, a scalar.

    Args:
        logits: float32 `[N, K]`, of the network that learns.
        batch: What it saw.
        recipe: What labels and teacher weigh.
    """
    weight = recipe.teacher_ratio if batch.answers is not None else 0.0
    loss = logits.new_zeros(())
    if weight < 1:
        smoothing = recipe.label_smoothing
        labels = functional.cross_entropy(logits, batch.targets, label_smoothing=smoothing)
        if (batch.targets != NO_TARGET).any():  # the mean of none is NaN
            loss = loss + (1 - weight) * labels
    if batch.answers is not None and weight:
        loss = loss + weight * _measure_distance(logits, batch.answers, recipe.temperature)
    return loss


def _measure_distance(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Return the divergence of the student's answers from the teacher's, both softened.

    The factor keeps the size of the gradients whatever the temperature. Source: Hinton, Vinyals,
    Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2.
    """
    distance = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1),
        functional.log_softmax(answers / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return temperature**2 * distance
