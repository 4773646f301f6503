"""Let a student learn to answer as its float graph does, rounding included. Needs no labels.

Post-training rounding takes each weight to the nearest integer; what matters is that the errors of
a layer cancel, which training finds out.
Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (2015), for the loss; Esser et
al., "Learned Step Size Quantization" (2020), for training through the rounding.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.student import Student
from edgecat.scores.answers import answer_pixels
from edgecat.scores.metrics import Logits

# The numbers below were chosen in trials on the validation photos of 12 cat breeds, seed 0. No raw
# result of these is committed; what they give stands in benchmarks/results/*/export_cats.json.

#: Steps of training: 2-3 minutes on two cores, whatever the number of photos.
NUM_STEPS = 330
BATCH_SIZE = 32
#: Adam's peak learning rate, in INT8 steps; it falls along a cosine to 0.
RATE = 0.01
#: Share of it that biases get.
BIAS_SHARE = 0.03
#: Of both answers before they are compared: above 1, the unlikely classes count, too.
TEMPERATURE = 2.0
#: Of the order of photos and their mirroring.
SEED = 0


def distil(
    student: Student,
    teacher: Callable[[Pixels], Logits],
    photos: Pixels,
    progress: Progress,
) -> None:
    """Train a student on what the float graph answers to photos and to their mirror images.

    Args:
        student: Changed.
        teacher: The float graph.
        photos: uint8 `[N, H, W, 3]`, RGB: training photos.
        progress: Told of each step.
    """
    rng = np.random.default_rng(SEED)
    # All answers first: two libraries that take turns on the same cores wait for each other.
    views = (photos, photos[:, :, ::-1])
    wanted = torch.stack(
        [torch.from_numpy(answer_pixels(teacher, view)) for view in views]
    )  # [2, N, K]
    groups = [(student.weights, RATE), (student.biases, RATE * BIAS_SHARE)]
    optimizer = torch.optim.Adam([{"params": list(p.values()), "lr": r} for p, r in groups])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, NUM_STEPS)
    size = min(BATCH_SIZE, len(photos))
    order: list[int] = []
    with progress.phase("distillation", NUM_STEPS) as on_step:
        for _ in range(NUM_STEPS):
            if len(order) < size:
                order = list(rng.permutation(len(photos)))
            chosen, order = order[:size], order[size:]
            mirrored = rng.integers(0, 2, size)
            batch = np.stack([views[m][i] for m, i in zip(mirrored, chosen, strict=True)])
            answers = student(torch.from_numpy(batch))
            loss = functional.kl_div(
                functional.log_softmax(answers / TEMPERATURE, dim=1),
                functional.log_softmax(wanted[mirrored, chosen] / TEMPERATURE, dim=1),
                log_target=True,
                reduction="batchmean",
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            on_step()
