"""One run of the comparison: fine-tune in one way, and note what came out and when."""

import csv
import dataclasses
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from edgecat.errors import DivergedError
from edgecat.photos.pixels import Pixels, load_batch
from edgecat.progress import Silent
from edgecat.scores.metrics import Indices
from edgecat.train.finetune import finetune
from edgecat.train.inits import INITS
from edgecat.train.job import Job
from edgecat.train.network import PhotoNetwork, build_network, predict_logits
from edgecat.train.recipe import load_recipe
from edgecat.train.run import METRICS, MODEL, load_run, load_split

CPU = torch.device("cpu")


class Stopwatch(Silent):
    """Progress that notes how much processor time had passed when each epoch ended.

    From the first look at decoded photos on: what comes before is the same for all ways to start.
    Processor time, since others use the machine, too.
    """

    def __init__(self) -> None:
        """Start."""
        self.started_s = time.process_time()
        self.is_learning = False
        self.epochs_s: list[float] = []

    @contextmanager
    def phase(self, name: str, num_steps: int) -> Iterator[Callable[[], object]]:
        """Note when the first phase of learning begins."""
        if not self.is_learning and name.startswith(("features", "epoch")):
            self.is_learning, self.started_s = True, time.process_time()
        yield lambda: None

    def say(self, line: str) -> None:
        """Note the end of an epoch."""
        if line.startswith("epoch "):
            self.epochs_s.append(time.process_time() - self.started_s)


@dataclasses.dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        photos: With train, val and test.
        init: One of `INITS`.
        weights: What it starts from.
        settings: Of the recipe, as `edgecat finetune --set` takes them.
        seed: Of its chance.
    """

    photos: Path
    init: str
    weights: str
    settings: tuple[str, ...]
    seed: int


def run_case(case: Case, run: Path) -> dict[str, Any]:
    """Fine-tune; return the run's row. What a killed benchmark left of it is removed before."""
    shutil.rmtree(run, ignore_errors=True)
    settings = case.settings
    if not INITS[case.init].backbone:  # the backbone's rate is small for what knows much already
        settings = (*settings, f"backbone_rate={load_recipe(None, settings).rate}")
    job = Job(
        case.photos,
        run,
        init=case.init,
        weights="scratch" if case.init == "scratch" else case.weights,
        recipe=load_recipe(None, settings),
        seed=case.seed,
        device="cpu",
    )
    watch = Stopwatch()
    try:
        finetune(job, watch)
    except DivergedError:
        return {"init": case.init, **_read_epochs(run, watch), **_guess(run)}
    return {"init": case.init, **_read_epochs(run, watch), **_score(run, case.photos)}


def _read_epochs(run: Path, watch: Stopwatch) -> dict[str, Any]:
    with (run / METRICS).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        "epochs_cpu_s": [round(seconds, 2) for seconds in watch.epochs_s],
        "val_top1_ratios": [float(row["val_top1_ratio"]) for row in rows],
    }


def _guess(run: Path) -> dict[str, Any]:
    """Return the scores of a run in which nothing was learned: those of guessing."""
    ratio = 1 / len(load_run(run).labels)
    num_test = len(load_split(run).indices("test"))
    return {
        "learned": False,
        "num_test": num_test,
        "train_top1_ratio": ratio,
        "test_top1_ratio": ratio,
    }


def _score(run: Path, photos: Path) -> dict[str, Any]:
    """Return how many training and test photos the kept weights answer rightly, as they are."""
    network = load_network(run)
    ratios = {}
    for split in ("train", "test"):
        pixels, targets = load_photos(run, photos, split)
        answers = predict_logits(network, pixels, CPU).argmax(axis=1)
        ratios[f"{split}_top1_ratio"] = float((answers == targets).mean())
    return {"learned": True, "num_test": len(targets), **ratios}


def load_network(run: Path) -> PhotoNetwork:
    """Return the network that a run kept."""
    record = load_run(run)
    network = build_network(record.arch, len(record.labels), record.input)
    network.load_state_dict(load_file(run / MODEL))
    return network


def load_photos(run: Path, photos: Path, split: str) -> tuple[Pixels, Indices]:
    """Return a run's photos of a split, uint8 `[N, 224, 224, 3]`, RGB, and their classes, `[N]`."""
    record = load_split(run)
    chosen = [record.photos[position] for position in record.indices(split)]
    labels = load_run(run).labels
    targets = np.array([labels.index(photo.label) for photo in chosen])
    return load_batch(photos / photo.path for photo in chosen), targets
