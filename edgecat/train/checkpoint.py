"""Where a killed run goes on: everything an epoch leaves behind, in one file without code."""

import dataclasses
import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from edgecat import atomic
from edgecat.errors import TrainError
from edgecat.train.learner import Learner

#: What `torch.load` raises on files that are damaged, of another kind or hold code.
READ_ERRORS = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    pickle.UnpicklingError,
)


@dataclasses.dataclass
class State:
    """What changes from epoch to epoch.

    Attributes:
        epoch: Epochs of the whole network that are done; 0 after the head's.
        network: State of the network that learns.
        average: State of its moving average.
        optimizer: AdamW's moments; empty before the first epoch.
        history: A row of numbers for each epoch, as in metrics.csv.
        best_epoch: The epoch whose weights are kept, 0 for none.
    """

    epoch: int
    network: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, float]]
    best_epoch: int


def save_state(state: State, path: Path) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        StorageError: The disk is full; the checkpoint before is intact.
    """
    # Through memory: torch turns a full disk into a RuntimeError of its own.
    buffer = io.BytesIO()
    torch.save(
        {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}, buffer
    )
    atomic.write_file(path, lambda file: file.write(buffer.getbuffer()))


def save_model(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors.

    Raises:
        StorageError: The disk is full; the weights before are intact.
    """
    state = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    atomic.write_file(path, lambda file: file.write(save(state)))


def load_model(network: nn.Module, path: Path) -> str:
    """Give a network the weights that `save_model` wrote; return the file's SHA-256, hex.

    Raises:
        TrainError: They are missing, damaged, or of another network.
    """
    try:
        data = path.read_bytes()
        network.load_state_dict(load(data))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise TrainError(
            f"{path}: not the weights of this run ({reason}); fine-tune again, into a new folder"
        ) from error
    return hashlib.sha256(data).hexdigest()


def load_state(path: Path, data: bytes | None = None) -> State:
    """Read a checkpoint; nothing in it is run.

    Args:
        path: Its file.
        data: The file's bytes, where they are known already.

    Raises:
        TrainError: Not a checkpoint of this version.
    """
    file = path if data is None else io.BytesIO(data)
    try:
        return State(**torch.load(file, map_location="cpu", weights_only=True))
    except READ_ERRORS as error:
        raise TrainError(
            f"{path}: not a checkpoint of this version ({type(error).__name__}); fine-tune into a "
            "new folder"
        ) from error


def capture(learner: Learner, history: list[dict[str, float]], best_epoch: int) -> State:
    """Return what there is after an epoch; its tensors are the learner's own, not copies."""
    return State(
        epoch=len(history),
        network=learner.network.state_dict(),
        average=learner.average.state_dict(),
        optimizer=learner.optimizer.state_dict(),
        history=history,
        best_epoch=best_epoch,
    )


def restore(learner: Learner, state: State, path: Path) -> None:
    """Put a learner where it was after an epoch; the rates stay those of its own recipe.

    Args:
        learner: Of the same run.
        state: What `load_state` read.
        path: Its file.

    Raises:
        TrainError: It is of another network.
    """
    try:
        learner.network.load_state_dict(state.network)
        learner.average.load_state_dict(state.average)
    except RuntimeError as error:
        raise TrainError(
            f"{path}: the checkpoint of another network; fine-tune into a new folder"
        ) from error
    peaks = [group["peak"] for group in learner.optimizer.param_groups]
    learner.optimizer.load_state_dict(state.optimizer)
    for group, peak in zip(learner.optimizer.param_groups, peaks, strict=True):
        group["peak"] = peak
