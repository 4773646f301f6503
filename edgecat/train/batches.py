"""An epoch's photos: drawn, shuffled, augmented on all cores, one batch ahead of its use."""

import dataclasses
from collections import Counter
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from edgecat.machine.cores import count_threads
from edgecat.photos.pixels import Pixels
from edgecat.train.augment import augment_photo
from edgecat.train.sampling import draw_photos
from edgecat.train.session import Session


@dataclasses.dataclass(frozen=True)
class Batch:
    """What a step learns from.

    Attributes:
        photos: uint8 `[N, S, S, 3]`, RGB: augmented.
        targets: int64 `[N]`: their classes; `NO_TARGET` where there is no label.
        answers: float32 `[N, K]`: a teacher's logits of the same views, if there is one.
    """

    photos: Tensor
    targets: Tensor
    answers: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return it on a device."""
        answers = None if self.answers is None else self.answers.to(device)
        return Batch(self.photos.to(device), self.targets.to(device), answers)


def make_batches(session: Session, epoch: int) -> Generator[Batch, None, None]:
    """Yield the batches of an epoch.

    All chance comes from the seed, the epoch and the photo, so that a resumed run sees what one
    sees that was never stopped, with any number of threads. Who has a teacher sees the views again
    that it answered.

    Raises:
        TrainError: The teacher's answers were damaged since the run began.
    """
    data, recipe = session.data, session.recipe
    answers: Tensor | None = None
    if session.answers is not None:
        epoch = session.answers.seen_again(epoch)
        answers = torch.from_numpy(session.answers.demand(epoch))
    train = data.indices("train")
    rng = np.random.default_rng([session.seed, epoch])
    drawn_ones = train[draw_photos(data.targets[train], recipe.balance_ratio, rng)]
    order = rng.permutation(np.concatenate([drawn_ones, len(data.targets) + data.chosen]))
    drawn: Counter[int] = Counter()

    def view(index: int, repeat: int) -> Pixels:
        # The first view of a photo has the chance that it had before there were others.
        words = [session.seed, epoch, index, repeat] if repeat else [session.seed, epoch, index]
        return augment_photo(data.scaled(index), recipe, np.random.default_rng(words))

    def submit(pool: ThreadPoolExecutor, chunk: np.ndarray) -> list[Future[Pixels]]:
        views = []
        for index in chunk.tolist():
            views.append(pool.submit(view, index, drawn[index]))
            drawn[index] += 1
        return views

    chunks = np.array_split(order, session.steps_per_epoch)
    ends = np.cumsum([len(chunk) for chunk in chunks])
    with ThreadPoolExecutor(count_threads()) as pool:
        ahead = submit(pool, chunks[0])
        for chunk, following, end in zip(chunks, [*chunks[1:], order[:0]], ends, strict=True):
            views, ahead = ahead, submit(pool, following)
            yield Batch(
                torch.from_numpy(np.stack([future.result() for future in views])),
                torch.from_numpy(data.targets_of(chunk)),
                None if answers is None else answers[end - len(chunk) : end],
            )
