"""An epoch's photos: drawn, shuffled, augmented on all cores, one batch ahead of its use."""

from collections import Counter
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from edgecat.photos.pixels import Pixels
from edgecat.train.augment import augment_photo
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.sampling import draw_photos
from edgecat.train.session import Session
from edgecat.train.threads import share_threads


def make_batches(
    session: Session, epoch: int, device: torch.device, ranks: Ranks = ALONE
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield this rank's part of each batch: photos uint8 `[N, S, S, 3]` and targets int64 `[N]`.

    All chance comes from the seed, the epoch and the photo, so that a resumed run sees what one
    sees that was never stopped, with any number of threads or ranks.
    """
    data, recipe = session.data, session.recipe
    train = data.indices("train")
    rng = np.random.default_rng([session.seed, epoch])
    order = rng.permutation(train[draw_photos(data.targets[train], recipe.balance_ratio, rng)])
    drawn: Counter[int] = Counter()
    repeats = np.empty_like(order)  # how often a photo was drawn before
    for position, index in enumerate(order.tolist()):
        repeats[position] = drawn[index]
        drawn[index] += 1

    def view(index: int, repeat: int) -> Pixels:
        # The first view of a photo has the chance that it had before there were others.
        words = [session.seed, epoch, index, repeat] if repeat else [session.seed, epoch, index]
        return augment_photo(data.cache.scaled(index), recipe, np.random.default_rng(words))

    def submit(pool: ThreadPoolExecutor, places: np.ndarray) -> list[Future[Pixels]]:
        return [
            pool.submit(view, index, repeat)
            for index, repeat in zip(order[places].tolist(), repeats[places].tolist(), strict=True)
        ]

    batches = np.array_split(np.arange(len(order)), session.steps_per_epoch)
    parts = [ranks.part(places) for places in batches]
    with ThreadPoolExecutor(share_threads(ranks)) as pool:
        ahead = submit(pool, parts[0])
        for places, following in zip(parts, [*parts[1:], parts[0][:0]], strict=True):
            views, ahead = ahead, submit(pool, following)
            photos = torch.from_numpy(np.stack([future.result() for future in views]))
            targets = torch.from_numpy(data.targets[order[places]])
            yield photos.to(device), targets.to(device)
