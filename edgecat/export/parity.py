"""The gate between a checkpoint and a bundle: an exported model must answer as torch does."""

import dataclasses

import numpy as np

from edgecat.errors import ParityError
from edgecat.photos.pixels import Pixels
from edgecat.runtime.engine import Engine
from edgecat.scores.compare import compare_logits
from edgecat.scores.metrics import Logits

#: Largest accepted difference of a logit between torch and a float32 engine. Both sum in float32
#: in their own order, over at most 3 x 10^3 terms; seen on 12 breeds: 1e-5 at logits of up to 10.
LOGIT_TOLERANCE = 1e-3

#: Photos that a model must answer equally, and how many of them are given at once.
NUM_PHOTOS = 64
BATCH_SIZES = (1, 8)


@dataclasses.dataclass(frozen=True)
class Parity:
    """Proof that an engine answers as the checkpoint does.

    Attributes:
        num_images: Photos compared, at each batch size.
        logit_gap: Largest difference of any logit.
    """

    num_images: int
    logit_gap: float


def check_parity(engine: Engine, photos: Pixels, expected: Logits) -> Parity:
    """Compare an engine with what torch answered.

    Args:
        engine: A float32 one.
        photos: uint8 `[N, H, W, 3]`, RGB.
        expected: float32 `[N, K]`, torch's answers.

    Raises:
        ParityError: A first answer differs, or a logit by more than `LOGIT_TOLERANCE`.
    """
    gap = 0.0
    for size in BATCH_SIZES:
        given = np.concatenate(
            [engine.run(photos[start : start + size]) for start in range(0, len(photos), size)]
        )
        comparison = compare_logits(expected, given)
        if comparison.agreement_ratio < 1 or not comparison.logit_gap <= LOGIT_TOLERANCE:
            raise ParityError(
                f"{engine.name}, batches of {size}: answers differ from the checkpoint's "
                f"(same first answer on {100 * comparison.agreement_ratio:.1f} % of {len(photos)} "
                f"photos, logits up to {comparison.logit_gap:.2g} apart; accepted are 100 % and "
                f"{LOGIT_TOLERANCE:g}). No bundle was written. Please report this with the "
                "versions of torch and the engine."
            )
        gap = max(gap, comparison.logit_gap)
    return Parity(len(photos), gap)


def fill_up(photos: Pixels) -> Pixels:
    """Return at least `NUM_PHOTOS` photos: of fewer, mirrored and turned copies are added.

    Args:
        photos: uint8 `[N, H, W, 3]`, RGB, N from 1.
    """
    turns = [np.rot90(photos, turn, axes=(1, 2)) for turn in range(4)]
    views = [view for turn in turns for view in (turn, turn[:, :, ::-1])]
    num_views = min(len(views), -(-NUM_PHOTOS // len(photos)))
    return np.ascontiguousarray(np.concatenate(views[:num_views]))
