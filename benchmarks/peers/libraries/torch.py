"""torch itself: torchvision's network with the run's weights."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer

_WEIGHTS = "weights.pt"


def build_network(material: Material) -> Any:
    """Return the network, with the run's weights, for inference."""
    import torch

    from edgecat.train.vision import import_torchvision  # beside a torch without CUDA, too

    facts, models = material.facts, import_torchvision().models
    network = models.get_model(facts["arch"], weights=None, num_classes=facts["num_classes"])
    weights = material.load_weights()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval()


def _make(material: Material, made: Path) -> None:
    import torch

    torch.save(build_network(material).state_dict(), made / _WEIGHTS)


def _open(
    material: Material, made: Path, threads: int, *, is_compiled: bool = False, layout: str
) -> Model:
    import torch

    torch.set_num_threads(threads)
    network = build_network(material)
    network.load_state_dict(torch.load(made / _WEIGHTS))
    network.to(memory_format=getattr(torch, layout))
    run = _compile(network) if is_compiled else network

    def prepare(photo: np.ndarray) -> torch.Tensor:
        maps = torch.from_numpy(material.normalize(photo))
        return maps.to(memory_format=getattr(torch, layout))

    @torch.inference_mode()
    def answer(maps: torch.Tensor) -> np.ndarray:
        return run(maps).numpy()

    return Model(prepare, answer, "fp32")


def _compile(network: Any) -> Any:
    import torch

    torch.compiler.reset()  # an opening is no change of what was compiled before
    return torch.compile(network)


def _peer(setting: str, **options: Any) -> Peer:
    return Peer(setting, _make, partial(_open, **options), makes_in="torch", runs_in="torch")


ENTRY = (
    _peer("eager", layout="contiguous_format"),
    _peer("eager-channels-last", layout="channels_last"),
    _peer("compiled", layout="contiguous_format", is_compiled=True),
)
