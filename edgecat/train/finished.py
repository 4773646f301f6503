"""A finished run: the network with the weights of its best epoch, to be exported, or to teach."""

import dataclasses
from pathlib import Path

import torch

from edgecat.errors import TrainError
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Split
from edgecat.scores.metrics import Logits
from edgecat.train import run as runs
from edgecat.train.checkpoint import load_model
from edgecat.train.network import PhotoNetwork, build_network, predict_logits
from edgecat.train.run import RunRecord, load_run, load_split
from edgecat.train.threads import limit_threads


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A finished run, as far as its export or its students need it.

    Attributes:
        record: What was asked, what came out.
        split: Which photo served for what.
        network: On the CPU, with the weights of the best epoch.
        weights_sha256: Of the file of these weights.
    """

    record: RunRecord
    split: Split
    network: PhotoNetwork
    weights_sha256: str

    def answer(self, photos: Pixels) -> Logits:
        """Return float32 logits `[N, K]`.

        Args:
            photos: uint8 `[N, H, W, 3]`, RGB.
        """
        return predict_logits(self.network, photos, torch.device("cpu"))


def load_checkpoint(run: Path) -> Checkpoint:
    """Read a finished run.

    Args:
        run: What `edgecat.train.finetune.finetune` wrote.

    Raises:
        TrainError: No run, one that has not finished, or weights that are missing, damaged, no
            numbers, or of another network.
        DatasetError: The run's split does not read.
    """
    record, split = load_run(run), load_split(run)
    if record.outcome is None:
        raise TrainError(
            f"{run}: the run has not finished; go on with it: edgecat finetune ... --resume"
        )
    limit_threads()
    file, network = run / runs.MODEL, build_network(record.arch, len(record.labels), record.input)
    weights_sha256 = load_model(network, file)
    for name, tensor in network.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise TrainError(
                f"{file}: {name} holds values that are NaN or infinite; fine-tune "
                "again with a smaller learning rate: --set backbone_rate=1e-4"
            )
    return Checkpoint(record, split, network, weights_sha256)
