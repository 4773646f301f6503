"""The second phase: the whole network learns, epoch by epoch, until it is done or has diverged.

All chance comes from (seed, epoch), so a resumed run draws the same photos, crops and dropout as
one that was never stopped.
"""

import contextlib
import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from edgecat.train import divergence
from edgecat.train import run as runs
from edgecat.train.batches import Batch, make_batches
from edgecat.train.board import open_board
from edgecat.train.checkpoint import (
    State,
    capture,
    load_model,
    load_state,
    restore,
    save_model,
    save_state,
)
from edgecat.train.device import autocast
from edgecat.train.head import train_head
from edgecat.train.history import describe_row, is_kept, write_metrics
from edgecat.train.learner import Learner, connect, set_rates
from edgecat.train.loss import count_photos, measure_loss
from edgecat.train.ranks import Ranks
from edgecat.train.recipe import Recipe
from edgecat.train.session import Session
from edgecat.train.threads import share_threads
from edgecat.train.validate import validate


def train(session: Session, learner: Learner, state: State) -> State:
    """Teach the whole network, epoch by epoch; return the last one's state.

    Args:
        session: What to learn.
        learner: The network, where `begin` left it.
        state: What `begin` returned.

    Raises:
        DivergedError: The run went wrong; the last good checkpoint stands.
        StorageError: The disk is full.
    """
    learner = connect(learner, session.recipe)
    with _open_board(session, state) as tell_board:
        while state.epoch < session.recipe.epochs:
            state = _train_and_validate(session, learner, state)
            tell_board(state.history[-1])
            divergence.check_history(session.recipe, state.history)
            if not divergence.is_lost(state.history[-1]):  # on disk stands the last good one
                _save(session, learner, state)
    divergence.check_kept(session.recipe, state.epoch, state.best_epoch)
    return state


def begin(session: Session, learner: Learner) -> State:
    """Go on where the last checkpoint is, or else teach the head alone; return the state.

    Of several ranks the first one does that, and all get what it has.

    Raises:
        DivergedError: The head went wrong.
        TrainError: The checkpoint, or the weights of the best epoch so far, cannot be read.
        StorageError: The disk is full.
    """
    checkpoint, ranks = session.run / runs.CHECKPOINT, learner.ranks
    is_resumed = ranks.first(checkpoint.exists)
    if not is_resumed:
        ranks.first(train_head, session, learner)
        ranks.first(save_state, capture(learner, [], 0), checkpoint)
    state = load_state(checkpoint, ranks.share(checkpoint.read_bytes))
    restore(learner, state, checkpoint)
    if 0 < state.best_epoch == state.epoch:  # a kill may have left the weights of before
        ranks.first(save_model, learner.averaged, session.run / runs.MODEL)
    elif state.best_epoch:  # whose weights may be those that are kept in the end
        ranks.first(load_model, copy.deepcopy(learner.averaged), session.run / runs.MODEL)
    if is_resumed:
        session.progress.say(f"resumed after epoch {state.epoch}")
    return state


def _save(session: Session, learner: Learner, state: State) -> None:
    """Write an epoch's checkpoint, and then its weights if they are kept.

    In this order, for a checkpoint has the weights of its own epoch, but not those of the best one
    before: `begin` can write after a kill what was not written yet, and not what was overwritten.
    """
    learner.ranks.first(save_state, state, session.run / runs.CHECKPOINT)
    if state.best_epoch == state.epoch:
        learner.ranks.first(save_model, learner.averaged, session.run / runs.MODEL)


def _open_board(
    session: Session, state: State
) -> contextlib.AbstractContextManager[Callable[[divergence.Row], None]]:
    if not session.has_board:
        return contextlib.nullcontext(lambda row: None)
    return open_board(session.run, done_epochs=state.epoch)


def _train_and_validate(session: Session, learner: Learner, before: State) -> State:
    """Train for one epoch, validate the averaged weights, and say whether they are to be kept."""
    epoch, started_s, started_cpu_s = before.epoch + 1, time.perf_counter(), time.process_time()
    losses = train_epoch(session, learner, epoch)
    trained_s = time.perf_counter() - started_s
    cores_s = trained_s * share_threads(learner.ranks)
    num_classes, is_taught = len(session.data.labels), session.answers is not None
    divergence.check_losses(session.recipe, epoch, losses, num_classes, is_taught=is_taught)
    row = {
        "epoch": epoch,
        "train_loss": float(np.nanmean(losses)),
        "num_skipped_steps": int(np.isnan(losses).sum()),
        "images_per_s": session.data.num_learned / trained_s,
        "busy_ratio": (time.process_time() - started_cpu_s) / cores_s,
        **learner.ranks.first(validate, session, learner, epoch),
        "duration_s": time.perf_counter() - started_s,
    }
    history = [*before.history, row]
    kept = is_kept(history, num_val=len(session.data.indices("val")))
    learner.ranks.first(write_metrics, history, session.run / runs.METRICS)
    session.progress.say(describe_row(history, session.recipe.epochs, is_kept=kept))
    return capture(learner, history, epoch if kept else before.best_epoch)


def train_epoch(session: Session, learner: Learner, epoch: int) -> np.ndarray:
    """Teach the whole network for one epoch.

    Returns:
        float64 `[steps]`: the loss of each step, NaN where it was left out.

    Raises:
        DivergedError: Several steps in a row were left out.
    """
    recipe, num_steps = session.recipe, session.steps_per_epoch
    losses = np.full(num_steps, np.nan)
    torch.manual_seed(session.torch_seed(epoch))  # of dropout
    learner.network.train()
    with (
        session.progress.phase(f"epoch {epoch}/{recipe.epochs}", num_steps) as step,
        contextlib.closing(make_batches(session, epoch, learner.ranks)) as batches,
    ):
        for number, batch in enumerate(batches):
            done_steps = (epoch - 1) * num_steps + number
            set_rates(learner.optimizer, done_steps, recipe.epochs * num_steps, recipe.warmup_ratio)
            losses[number] = take_step(learner, batch.to(learner.device), recipe)
            divergence.check_steps(recipe, epoch, losses[: number + 1], num_steps)
            step()
    return losses


def take_step(learner: Learner, batch: Batch, recipe: Recipe) -> float:
    """Learn from one batch; leave it out if its loss or a gradient is not finite.

    The recipe may have it taken in parts, whose gradients add up, where memory is short.

    A batch that is left out changes nothing: BatchNorm's statistics, which the forward pass writes
    before the loss is known, are put back, and neither weights nor their average move.

    Args:
        learner: Its network is in training mode.
        batch: On the learner's device; of several ranks, this one's part.
        recipe: What the loss is made of.

    Returns:
        The loss of the whole batch, the same on all ranks; NaN if it was left out.
    """
    network, optimizer, ranks = learner.network, learner.optimizer, learner.ranks
    statistics = [buffer.clone() for buffer in network.buffers()]
    optimizer.zero_grad(set_to_none=True)
    num_photos, losses = count_photos(batch, ranks), []
    for part in batch.split(recipe.batch_parts):
        with autocast(learner.device):
            logits = learner.forward(part.photos)  # [n, K]
        loss = measure_loss(logits.float(), part, recipe, num_photos)
        # The gradients' mean over the ranks is taken, where their sum is wanted.
        (loss * ranks.size).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    loss = ranks.sum(torch.stack(losses).sum())
    if not _is_finite(loss, network, ranks):
        for buffer, before in zip(network.buffers(), statistics, strict=True):
            buffer.copy_(before)
        return float("nan")
    optimizer.step()
    learner.average.update_parameters(network)
    return loss.item()


def _is_finite(loss: Tensor, network: nn.Module, ranks: Ranks) -> bool:
    """Return whether loss, gradients and BatchNorm's statistics are finite, and their squares.

    Those of all ranks, so that none takes a step that another leaves out.
    """
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    norm = get_total_norm([loss.detach(), *gradients, *statistics])
    return bool(torch.isfinite(ranks.sum(norm)))
