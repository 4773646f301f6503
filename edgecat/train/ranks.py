"""The processes of a run: one, or those that torchrun started, on one machine or on several.

All draw the same photos in the same order, each learns from its part of every batch, and all take
the same step. The first one alone splits the photos, validates, decides, writes and tells; the
others get what it found. An error of one ends all: torchrun ends those on its machine, and the
rest lose their connection.
"""

import contextlib
import dataclasses
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

from edgecat.errors import ConfigError, TrainError
from edgecat.strict import read_json, to_json

P = ParamSpec("P")
T = TypeVar("T")

# How long ranks wait for one that decodes, teaches the head or validates before it counts as hung;
# one that has died is noticed at once.
_PATIENCE = timedelta(hours=2)

# What gloo says when another process is gone (gloo/transport/tcp/pair.cc); NCCL has a class.
_LOST = re.compile(r"Connection (closed|reset) by peer|Broken pipe|Timed out")


@dataclasses.dataclass(frozen=True)
class Ranks:
    """The processes of a run, seen from one of them; by default it is alone.

    Attributes:
        rank: This process, 0 for the first.
        size: How many there are, on all machines.
        rank_here: This process among those of its machine.
        size_here: How many there are on this machine.
        machine: This machine, 0 for the first rank's.
        num_machines: How many there are.
        max_restarts: How often torchrun starts all of them again after one has died.
        has_stale_store: Whether they then find the addresses of the dead ones (torchrun keeps one
            store for all starts, unless TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 tells that of c10d
            not to).
    """

    rank: int = 0
    size: int = 1
    rank_here: int = 0
    size_here: int = 1
    machine: int = 0
    num_machines: int = 1
    max_restarts: int = 0
    has_stale_store: bool = False

    @property
    def is_first(self) -> bool:
        """Return whether this is the rank that decides, writes and tells."""
        return self.rank == 0

    def span(self, num_photos: int) -> slice:
        """Return which photos of a batch are this rank's; the parts differ by one at most.

        Raises:
            ConfigError: Some rank would have nothing to learn from.
        """
        if num_photos < self.size:
            raise ConfigError(
                f"{self.size} ranks cannot share a batch of {num_photos} photos; start fewer with "
                "torchrun --nproc-per-node, or give a larger --set batch_size"
            )
        least, rest = divmod(num_photos, self.size)
        start = self.rank * least + min(self.rank, rest)
        return slice(start, start + least + (self.rank < rest))

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks, on each; no gradient flows through it."""
        if self.size > 1:
            values = values.detach().clone()
            distributed.all_reduce(values)
        return values

    def share(self, read: Callable[[], bytes], source: int = 0) -> bytes:
        """Return on all ranks the bytes that one of them reads.

        Args:
            read: Called on that one alone.
            source: Which one.
        """
        data = read() if self.rank == source else b""
        if self.size == 1:
            return data
        num_bytes = torch.tensor([len(data)])
        distributed.broadcast(num_bytes, source)
        wire = torch.from_numpy(np.frombuffer(data.ljust(int(num_bytes)), np.uint8).copy())
        distributed.broadcast(wire, source)
        return wire.numpy().tobytes()

    def first(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something on the first rank alone, and return on all what it returned.

        Args:
            work: Returns plain values, as JSON has them.
            args: Of `work`.
            kwargs: Of `work`.
        """
        if self.size == 1:
            return work(*args, **kwargs)
        told = self.share(lambda: to_json(work(*args, **kwargs)).encode())
        answer: T = read_json(told, "first rank", TrainError)
        return answer

    def tell(self, value: object) -> None:
        """Tell the others a value, as the first rank; they `hear` it.

        Args:
            value: Plain, as JSON has it.
        """
        if self.size > 1:
            self.share(lambda: to_json(value).encode())

    def hear(self) -> Any:
        """Return what the first rank tells."""
        return read_json(self.share(bytes), "first rank", TrainError)

    def from_here(self, read: Callable[[], bytes]) -> bytes:
        """Return on all ranks of a machine what its first one reads."""
        told = [
            self.share(read if self.rank_here == 0 else bytes, source)
            for source in range(self.size)
        ]
        return told[self.rank - self.rank_here]

    def agree(self, facts: Mapping[str, object]) -> None:
        """Refuse ranks that differ; the one that does and the first one say so.

        Args:
            facts: Plain values, by what a person calls each; all ranks have the same ones.

        Raises:
            TrainError: Some fact of another rank is not the first one's.
        """
        here = {"host": socket.gethostname(), "facts": dict(facts)}
        first, *others = (
            read_json(self.share(lambda: to_json(here).encode(), source), "rank", TrainError)
            for source in range(self.size)
        )
        for rank, other in enumerate(others, 1):
            differ = [
                f"{name} {value!r}, not {first['facts'][name]!r}"
                for name, value in other["facts"].items()
                if value != first["facts"][name]
            ]
            if differ and self.rank in (0, rank):
                raise TrainError(
                    f"rank {rank} (on {other['host']}) has {'; '.join(differ)} as rank 0 (on "
                    f"{first['host']}); give all ranks the same edgecat, photos and options"
                )

    def check_restarts(self, *, resume: bool) -> None:
        """Refuse restarts that would not go on where the run was.

        Raises:
            ConfigError: torchrun may start a run again that then would be refused.
        """
        given = f"torchrun --max-restarts {self.max_restarts}"
        if self.max_restarts and not resume:
            raise ConfigError(
                f"{given}: add --resume, by which ranks that are started again go on from the last "
                "checkpoint"
            )
        if self.max_restarts and self.has_stale_store:
            raise ConfigError(
                f"{given}: put TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 before torchrun, and give it "
                "--standalone or --rdzv-backend c10d, or ranks that are started again look for "
                "those that have died"
            )

    def own_device(self, chosen: torch.device) -> torch.device:
        """Return where this rank computes: each has a CUDA device of its own.

        Args:
            chosen: What the user chose for all of them.

        Raises:
            ConfigError: One CUDA device for several ranks.
            TrainError: More ranks on this machine than CUDA devices.
        """
        if chosen.type == "cpu" or self.size == 1:
            return chosen
        if chosen != torch.device("cuda"):
            raise ConfigError(
                f"--device {chosen}: {self.size} ranks cannot share a device; give cuda, and each "
                "takes one of its own"
            )
        if self.size_here > torch.cuda.device_count():
            raise TrainError(
                f"{self.size_here} ranks on {socket.gethostname()}, which has "
                f"{torch.cuda.device_count()} CUDA devices; start as many with torchrun "
                "--nproc-per-node, or give --device cpu"
            )
        return torch.device("cuda", self.rank_here)

    def __str__(self) -> str:
        """Return how many there are, as a run's record says it."""
        return f"{self.size} ranks, machines: {self.num_machines}"


#: A process without others.
ALONE = Ranks()


def read_ranks(environment: Mapping[str, str] = os.environ) -> Ranks:
    """Return the processes that torchrun has started with this one; without torchrun it is alone.

    Source: the environment variables of `torch.distributed.run`, whose names its documentation has.
    """
    if "TORCHELASTIC_RUN_ID" not in environment:
        return ALONE
    names = {
        "rank": "RANK",
        "size": "WORLD_SIZE",
        "rank_here": "LOCAL_RANK",
        "size_here": "LOCAL_WORLD_SIZE",
        "machine": "GROUP_RANK",
        "num_machines": "GROUP_WORLD_SIZE",
        "max_restarts": "TORCHELASTIC_MAX_RESTARTS",
    }
    numbers = {field: int(environment[name]) for field, name in names.items()}
    is_kept = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return Ranks(**numbers, has_stale_store=is_kept)


@contextlib.contextmanager
def join(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Connect a rank to the others, until the block ends.

    Raises:
        TrainError: Another rank has ended.
        RuntimeError: Any other of torch, as it came.
    """
    if ranks.size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # What is shared besides gradients lies in the processor's memory.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and not _LOST.search(str(error)):
            raise
        raise TrainError(
            f"rank {ranks.rank}: the connection to another rank is lost; what that one has said, "
            "or torchrun of it, tells why"
        ) from error
    finally:
        distributed.destroy_process_group()
