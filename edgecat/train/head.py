"""The first phase: the classifier alone learns, on features of the frozen backbone."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgecat.train.divergence import check_losses
from edgecat.train.learner import Learner
from edgecat.train.sampling import draw_photos
from edgecat.train.session import Session

# AdamW's, of the head alone; torch's own.
_WEIGHT_DECAY = 0.01


def train_head(session: Session, learner: Learner) -> None:
    """Teach the classifier alone, if the recipe says so.

    Raises:
        DivergedError: After the last epoch it is much worse than guessing.
    """
    recipe = session.recipe
    if not recipe.head_epochs:
        return
    features, targets = _read_features(session, learner)  # [N, C], [N]
    head = learner.network.head.train()
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=recipe.head_rate, weight_decay=_WEIGHT_DECAY
    )
    rng = np.random.default_rng([session.seed, 0])
    torch.manual_seed(session.torch_seed(0))  # of the order and dropout
    for _ in range(recipe.head_epochs):
        losses = []
        drawn = torch.from_numpy(draw_photos(targets.cpu().numpy(), recipe.balance_ratio, rng))
        order = drawn[torch.randperm(len(drawn))].to(learner.device)
        for chosen in torch.split(order, recipe.batch_size):
            logits = head(features[chosen])  # [n, K]
            loss = functional.cross_entropy(
                logits, targets[chosen], label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
    check_losses(recipe, 0, np.array(losses), len(session.data.labels))


def _read_features(session: Session, learner: Learner) -> tuple[Tensor, Tensor]:
    """Return the training photos' features, float32 `[N, C]`, and their targets, int64 `[N]`."""
    data = session.data
    train = data.indices("train")
    learner.network.eval()  # BatchNorm keeps its statistics
    parts = []
    with torch.inference_mode(), session.progress.phase("features", len(train)) as step:
        for start in range(0, len(train), session.recipe.batch_size):
            chunk = train[start : start + session.recipe.batch_size].tolist()
            parts.append(
                learner.network.features(
                    torch.from_numpy(data.cache.batch(chunk)).to(learner.device)
                )
            )
            for _ in chunk:
                step()
    # A clone, since autograd takes no tensor that was made in inference mode.
    return torch.cat(parts).clone(), torch.from_numpy(data.targets[train]).to(learner.device)
