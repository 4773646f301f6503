"""How much of a batch fits into memory at once: a step may take it in parts, one after the other.

The gradients of the parts add up to those of the whole, so that the recipe means the same. Only
BatchNorm sees less: its statistics are of a part, and move once a part.
"""

import contextlib
import copy
import dataclasses
import math
import re
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from edgecat.errors import TrainError
from edgecat.machine.memory import limit_memory, read_free_memory
from edgecat.train.allocator import giving_back_freed_memory
from edgecat.train.batches import Batch
from edgecat.train.learner import Learner, build_learner
from edgecat.train.loop import take_step
from edgecat.train.recipe import MIN_CROP_PX
from edgecat.train.session import Session

# On a processor torch has no error of its own for it; and oneDNN, which computes convolutions,
# says that it cannot make, or run, what needs memory that it does not get (dnnl.hpp).
_NO_MEMORY = re.compile(
    r"can't allocate memory|could not (create|execute) a (primitive|memory object|scratchpad)"
)

# BatchNorm needs more than one photo.
_SMALLEST_PART = 2


def fit_memory(session: Session, learner: Learner) -> Session:
    """Return a session whose steps fit: the fewest parts, of 1, 2, 4 and so on, that a step bears.

    Args:
        session: Before its first step.
        learner: Its network; it learns nothing.

    Raises:
        TrainError: Not even the smallest parts fit.
    """
    num_parts = _find_parts(session, learner, session.recipe.batch_parts)
    if num_parts is None:
        raise TrainError(
            f"not even {_SMALLEST_PART} photos of a step fit into the memory that "
            f"{learner.device} has left; end other programs, or make the photos smaller: --set "
            f"crop_side_px={_halve_crop(session)}"
        )
    if num_parts > session.recipe.batch_parts:
        session.progress.say(
            f"a batch takes more memory than {learner.device} has left, so each step takes it in "
            f"{num_parts} parts of {_count_photos(session) // num_parts} photos or one more, whose "
            "gradients add up; BatchNorm's statistics are those of a part"
        )
    recipe = dataclasses.replace(session.recipe, batch_parts=num_parts)
    return dataclasses.replace(session, recipe=recipe)


@contextlib.contextmanager
def memory_errors(session: Session, learner: Learner) -> Iterator[None]:
    """Turn torch's errors about memory into one that says what fits; let others pass.

    Raises:
        TrainError: There was too little memory for a batch.
    """
    try:
        with _short_memory():
            yield
    except _ShortError as error:
        raise TrainError(
            f"batch_size {session.recipe.batch_size} takes more memory than {learner.device} has "
            f"left; begin again, in a new folder, {_find_mend(session, learner)}"
        ) from error


class _ShortError(Exception):
    """Memory was not enough."""


@contextlib.contextmanager
def _short_memory() -> Iterator[None]:
    """Tell errors about memory from all others, and give back what did fit.

    Raises:
        _ShortError: There was too little.
        RuntimeError: Anything else.
    """
    try:
        yield
    except MemoryError as error:
        _let_go(error)
        raise _ShortError from error
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        _let_go(error)
        raise _ShortError from error


def _let_go(error: BaseException) -> None:
    """Give the memory back of what did fit: the functions that failed still hold it."""
    traceback.clear_frames(error.__traceback__)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _find_mend(session: Session, learner: Learner) -> str:
    if learner.ranks.size > 1:  # of which none may try alone
        return f"with --set batch_size={max(_SMALLEST_PART, session.recipe.batch_size // 2)}"
    before = session.recipe.batch_parts
    num_parts = _find_parts(session, learner, 2 * before)
    if num_parts is None or num_parts <= before:  # it is in the smallest parts already
        return (
            f"with smaller crops (--set crop_side_px={_halve_crop(session)}), or where more is left"
        )
    fits = max(_SMALLEST_PART, session.recipe.batch_size // num_parts)
    return f"with --batch auto, which takes it in parts; at once, {fits} photos fit"


def _halve_crop(session: Session) -> int:
    """Return the side of crops of a quarter of the size, or the least that a recipe takes."""
    return max(MIN_CROP_PX, session.recipe.crop_side_px // 2)


def _count_photos(session: Session) -> int:
    """Return how many photos the largest step has."""
    return math.ceil(session.data.num_learned / session.steps_per_epoch)


def _find_parts(session: Session, learner: Learner, least: int) -> int | None:
    """Return in how few parts, from a number on, a step fits; None if in none."""
    num_photos = _count_photos(session)
    for num_parts in _double(least, max(1, num_photos // _SMALLEST_PART)):
        # In a thread of its own: once oneDNN's code generator has got no memory, it fails for the
        # rest of its thread's life (xbyak.h: local::GetErrorRef). And what a try that failed had
        # must not stay this process's, or the next would have it beyond its bounds.
        with giving_back_freed_memory(), ThreadPoolExecutor(1) as thread:
            if thread.submit(_bears, session, learner, num_photos, num_parts).result():
                return num_parts
    return None


def _bears(session: Session, learner: Learner, num_photos: int, num_parts: int) -> bool:
    """Tell whether memory is enough for a step in so many parts."""
    with contextlib.suppress(_ShortError), _short_memory():
        # Without bounds: what a first step starts and loads, such as threads, must not fail.
        _take_step(session, learner, _SMALLEST_PART, 1)
    with contextlib.suppress(_ShortError), _short_memory(), _bounds(learner.device):
        _take_step(session, learner, num_photos, num_parts)
        return True
    return False


def _double(least: int, most: int) -> Iterator[int]:
    """Yield a number, twice and four times as much and so on, and at last the most."""
    while least < most:
        yield least
        least *= 2
    yield most


def _bounds(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Return a block in which a device refuses what it has not got: a GPU does that itself."""
    free = read_free_memory() if device.type == "cpu" else None
    return contextlib.nullcontext() if free is None else limit_memory(free.size_bytes)


def _take_step(session: Session, learner: Learner, num_photos: int, num_parts: int) -> None:
    """Let a copy take a step, on noise."""
    recipe = dataclasses.replace(session.recipe, batch_parts=num_parts)
    shape = (num_photos, recipe.crop_side_px, recipe.crop_side_px, 3)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8)
    batch = Batch(noise, torch.zeros(num_photos, dtype=torch.int64)).to(learner.device)
    copied = build_learner(copy.deepcopy(learner.network), recipe, learner.device)
    copied.network.train()
    take_step(copied, batch, recipe)
