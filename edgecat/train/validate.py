"""What the averaged network answers: to validation photos each epoch, to test photos once."""

import torch
from torch.nn import functional

from edgecat.scores import evaluation
from edgecat.scores.metrics import Indices, Logits
from edgecat.train import divergence
from edgecat.train.learner import Learner
from edgecat.train.network import predict_logits
from edgecat.train.session import Session


def answer(session: Session, learner: Learner, split: str) -> tuple[Logits, Indices]:
    """Return the averaged network's logits and the targets of a split."""
    indices = session.data.indices(split)
    photos = [session.data.cache.pixels(index) for index in indices.tolist()]
    return predict_logits(learner.averaged, photos, learner.device), session.data.targets[indices]


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
        "num_classes_answered": _count_answered(session, learner, logits),
        **{f"val_recall_ratio of {k}": one.recall_ratio for k, one in score.per_class.items()},
    }


def _count_answered(session: Session, learner: Learner, logits: Logits) -> int:
    """Return how many classes the network answers: to validation photos, or to any at all.

    Few validation photos may rightly get one answer, so the training photos are asked, too.
    """
    answers = set(logits.argmax(axis=1).tolist())
    if len(answers) == 1:
        answers |= set(answer(session, learner, "train")[0].argmax(axis=1).tolist())
    return len(answers)
