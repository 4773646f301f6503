"""What the averaged network answers: to validation photos each epoch, to test photos once."""

import torch
from torch.nn import functional

from edgecat.scores import evaluation
from edgecat.scores.metrics import (
    Indices,
    Logits,
    adjusted_recall_ratio,
    confusion_matrix,
)
from edgecat.train import divergence
from edgecat.train.learner import Learner
from edgecat.train.network import predict_both
from edgecat.train.session import Session

# Adjusted recall of the validation photos from which the training photos are not asked.
_SURE_RATIO = 0.2


def answer(session: Session, learner: Learner, split: str) -> tuple[Logits, Indices]:
    """Return the averaged network's logits and the targets of a split."""
    indices = session.data.indices(split)
    logits, _ = predict_both(learner.averaged, session.data.cache, indices, learner.device)
    return logits, session.data.targets[indices]


def validate(session: Session, learner: Learner, epoch: int) -> dict[str, float]:
    """Return an epoch's scores on the validation photos, by column of metrics.csv.

    Raises:
        DivergedError: The network's answers are not finite.
    """
    logits, targets = answer(session, learner, "val")
    divergence.check_logits(session.recipe, epoch, logits)
    score = evaluation.score("checkpoint", "val", session.data.labels, targets, logits)
    loss = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
    return {
        "val_loss": float(loss),
        "val_top1_ratio": score.top1_ratio,
        "val_macro_f1_ratio": score.macro_f1_ratio,
        "adjusted_recall_ratio": _adjust_recall(session, learner, logits, targets),
        **{f"val_recall_ratio of {k}": one.recall_ratio for k, one in score.per_class.items()},
    }


def _adjust_recall(session: Session, learner: Learner, logits: Logits, targets: Indices) -> float:
    """Return how far from guessing the network is: on validation, or else on training photos.

    Few validation photos may be answered wrongly by a network that is sound, so before one is
    called no better than guessing, the training photos are asked.
    """
    num = len(session.data.labels)
    ratio = adjusted_recall_ratio(confusion_matrix(logits.argmax(axis=1), targets, num))
    if ratio >= _SURE_RATIO:
        return ratio
    logits, targets = answer(session, learner, "train")
    return adjusted_recall_ratio(confusion_matrix(logits.argmax(axis=1), targets, num))
