"""An epoch's photos: drawn, shuffled, augmented on all cores, one batch ahead of its use."""

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


def make_batches(
    session: Session, epoch: int, device: torch.device
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield augmented photos uint8 `[N, S, S, 3]` and targets int64 `[N]`.

    All chance comes from the seed, the epoch and the photo, so that a resumed run sees what one
    sees that was never stopped, with any number of threads.
    """
    data, recipe = session.data, session.recipe
    train = data.indices("train")
    rng = np.random.default_rng([session.seed, epoch])
    order = rng.permutation(train[draw_photos(data.targets[train], recipe.balance_ratio, rng)])
    drawn: Counter[int] = Counter()

    def view(index: int, repeat: int) -> Pixels:
        # The first view of a photo has the chance that it had before there were others.
        words = [session.seed, epoch, index, repeat] if repeat else [session.seed, epoch, index]
        return augment_photo(data.cache.scaled(index), recipe, np.random.default_rng(words))

    def submit(pool: ThreadPoolExecutor, chunk: np.ndarray) -> list[Future[Pixels]]:
        views = []
        for index in chunk.tolist():
            views.append(pool.submit(view, index, drawn[index]))
            drawn[index] += 1
        return views

    chunks = np.array_split(order, session.steps_per_epoch)
    with ThreadPoolExecutor(count_threads()) as pool:
        ahead = submit(pool, chunks[0])
        for chunk, following in zip(chunks, [*chunks[1:], order[:0]], strict=True):
            views, ahead = ahead, submit(pool, following)
            photos = torch.from_numpy(np.stack([future.result() for future in views]))
            targets = torch.from_numpy(data.targets[chunk])
            yield photos.to(device), targets.to(device)
