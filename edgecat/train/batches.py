"""An epoch's photos: drawn, shuffled, augmented on all cores, one batch ahead of its use."""

import dataclasses
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from edgecat.scores.metrics import Indices
from edgecat.train.augment import View, cut_view, draw_view, light_views
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.sampling import draw_photos
from edgecat.train.session import Session
from edgecat.train.threads import share_threads


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

    def split(self, num_parts: int) -> "Iterator[Batch]":
        """Yield it in as many parts, whose sizes differ by one at most; none has a single photo."""
        num_parts = max(1, min(num_parts, len(self.targets) // 2))
        for places in torch.arange(len(self.targets)).tensor_split(num_parts):
            part = slice(int(places[0]), int(places[-1]) + 1)
            answers = None if self.answers is None else self.answers[part]
            yield Batch(self.photos[part], self.targets[part], answers)


def make_batches(
    session: Session, epoch: int, ranks: Ranks = ALONE
) -> Generator[Batch, None, None]:
    """Yield the batches of an epoch, of each what is this rank's part.

    All chance comes from the seed, the epoch and the photo, so that a resumed run sees what one
    sees that was never stopped, with any number of threads or ranks. Who has a teacher
    sees the views again that it answered.

    Raises:
        TrainError: The teacher's answers were damaged since the run began.
    """
    data, recipe = session.data, session.recipe
    answers: Tensor | None = None
    if session.answers is not None:
        epoch = session.answers.seen_again(epoch)
        answers = torch.from_numpy(session.answers.demand(epoch, ranks))
    train = data.indices("train")
    rng = np.random.default_rng([session.seed, epoch])
    drawn_ones = train[draw_photos(data.targets[train], recipe.balance_ratio, rng)]
    order = rng.permutation(np.concatenate([drawn_ones, len(data.targets) + data.chosen]))
    repeats = _count_repeats(order)

    def cut(index: int, repeat: int) -> tuple[Tensor, View]:
        photo = session.store.read(index)
        rng = np.random.default_rng([session.seed, epoch, index, repeat])
        view = draw_view((photo.shape[0], photo.shape[1]), recipe, rng)
        return cut_view(photo, view, recipe.crop_side_px), view

    def submit(pool: ThreadPoolExecutor, places: Indices) -> list[Future[tuple[Tensor, View]]]:
        pairs = zip(order[places].tolist(), repeats[places].tolist(), strict=True)
        return [pool.submit(cut, index, repeat) for index, repeat in pairs]

    batches = np.array_split(np.arange(len(order)), session.steps_per_epoch)
    parts = [places[ranks.span(len(places))] for places in batches]
    with ThreadPoolExecutor(share_threads(ranks)) as pool:
        ahead = submit(pool, parts[0])
        for places, following in zip(parts, [*parts[1:], parts[0][:0]], strict=True):
            cuts, ahead = ahead, submit(pool, following)
            pieces, views = zip(*(future.result() for future in cuts), strict=True)
            yield Batch(
                light_views(torch.stack(pieces), views),
                torch.from_numpy(data.targets_of(order[places])),
                None if answers is None else answers[places],
            )


def _count_repeats(order: Indices) -> Indices:
    """Return how often each photo stands before in a list of photos."""
    drawn: Counter[int] = Counter()
    repeats = np.empty_like(order)
    for place, index in enumerate(order.tolist()):
        repeats[place] = drawn[index]
        drawn[index] += 1
    return repeats
