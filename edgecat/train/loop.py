"""Fine-tuning, read from top to bottom: split, head, everything, best epoch, test.

All chance comes from (seed, epoch), so a resumed run draws the same photos, crops and dropout as
one that was never stopped.
"""

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgecat import atomic
from edgecat.errors import ConfigError, TrainError
from edgecat.photos import find_photos
from edgecat.pixels import Pixels
from edgecat.progress import Progress, Silent
from edgecat.scores import Indices, Logits, confusion_matrix, top1_ratio, wilson_interval
from edgecat.spec import ARCHS
from edgecat.split import (
    Split,
    SplitPhoto,
    check_classes,
    group_photos,
    keep_ready_split,
    split_photos,
)
from edgecat.train import run as runs
from edgecat.train.augment import augment_photo
from edgecat.train.cache import PhotoCache, open_cache
from edgecat.train.checkpoint import State, load_state, save_state
from edgecat.train.network import PhotoNetwork, build_network, predict_logits
from edgecat.train.plots import plot_confusion, plot_curves
from edgecat.train.recipe import Recipe
from edgecat.train.run import Outcome, RunRecord
from edgecat.train.weights import load_weights


@dataclasses.dataclass(frozen=True)
class Job:
    """What to fine-tune, and on what.

    Attributes:
        data: Folder of labelled photos.
        run: Folder to write.
        arch: One of `edgecat.spec.ARCHS`.
        weights: "imagenet", "scratch", a released model or another bundle, or a file.
        recipe: Every number of the training.
        seed: Of all chance, 0 or more.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        resume: Go on where a run in the same folder stopped.
        skip_broken: Leave broken photos out instead of refusing all.
    """

    data: Path
    run: Path
    arch: str = "mobilenet_v3_small"
    weights: str = "imagenet"
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    skip_broken: bool = False


def finetune(job: Job, progress: Progress | None = None) -> RunRecord:
    """Fine-tune a MobileNetV3 on a folder of labelled photos.

    Raises:
        ConfigError: An unknown network or device.
        DatasetError: The folder is no data set, or photos are broken.
        WeightsError: The pretrained weights are out of reach or do not fit.
        TrainError: The run's folder is taken, or holds another run than the one to resume.
        StorageError: The disk is full; the last checkpoint is intact.
    """
    progress = progress or Silent()
    started_s = time.perf_counter()
    if job.arch not in ARCHS:
        raise ConfigError(f"--arch {job.arch}: accepted are {', '.join(ARCHS)}")
    device = choose_device(job.device)
    _check_folder(job)
    photos = find_photos(job.data)
    counts: dict[str, int] = {}
    for photo in photos:
        counts[photo.label] = counts.get(photo.label, 0) + 1
    check_classes(counts)

    torch.manual_seed(job.seed)
    network = build_network(job.arch, len(counts))
    loaded = load_weights(network.network, job.arch, job.weights)
    progress.say(str(loaded))

    with atomic.storage_errors(job.run):
        job.run.mkdir(parents=True, exist_ok=True)
    cache_file = job.run / "pixels.cache"
    with open_cache(cache_file, photos, progress, skip_broken=job.skip_broken) as cache:
        for line in cache.broken:
            progress.say(f"left out: {line}")
        split = _split(cache, job)
        record = RunRecord(
            arch=job.arch,
            labels=split.labels(),
            weights=loaded.source,
            num_loaded=loaded.num_loaded,
            random=loaded.random,
            seed=job.seed,
            recipe=job.recipe,
            data=str(job.data.resolve()),
            data_sha256=runs.hash_data(split),
            num_photos={name: len(split.indices(name)) for name in ("train", "val", "test", "out")},
            device=_describe(device),
            versions=runs.measure_versions(),
        )
        progress.say(_describe_split(split, record))
        before = _load_earlier(job, record)
        if before is not None and before.outcome is not None:
            progress.say("this run is finished already; nothing to resume")
            return before
        atomic.write_text(job.run / runs.SPLIT, split.to_json())
        record.save(job.run)
        trainer = _Trainer(job, network.to(device), device, cache, split, progress)
        outcome = trainer.train(started_s)
    record = dataclasses.replace(record, outcome=outcome)
    record.save(job.run)
    return record


def choose_device(name: str) -> torch.device:
    """Return the torch device of this name.

    Raises:
        ConfigError: Not one of the accepted names.
        TrainError: CUDA asked for where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (kind == "cpu" and number) or not (number or "0").isdigit():
        raise ConfigError(f"--device {name}: accepted are auto, cpu, cuda, cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU-only build"
        raise TrainError(
            f"--device {name}: torch {torch.__version__} sees no CUDA device (it is {built}); "
            "use --device cpu, or install a driver and a CUDA build of torch"
        )
    if int(number or 0) >= max(1, torch.cuda.device_count()):
        raise TrainError(
            f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    return torch.device(name)


class _Trainer:
    """The state of one run, and the steps that change it."""

    def __init__(
        self,
        job: Job,
        network: PhotoNetwork,
        device: torch.device,
        cache: PhotoCache,
        split: Split,
        progress: Progress,
    ) -> None:
        self.job, self.recipe, self.progress = job, job.recipe, progress
        self.network, self.device, self.cache = network, device, cache
        self.labels = split.labels()
        self.splits = {name: split.indices(name) for name in ("train", "val", "test")}
        number_of = {label: number for number, label in enumerate(self.labels)}
        self.targets = np.array([number_of[photo.label] for photo in split.photos])
        average = get_ema_multi_avg_fn(self.recipe.ema_decay)
        self.average = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
        # BatchNorm needs two photos: a rest of one joins no step.
        num_train = len(self.splits["train"])
        self.steps_per_epoch = max(1, round(num_train / self.recipe.batch_size))
        self.optimizer = self._build_optimizer()

    def train(self, started_s: float) -> Outcome:
        """Run all phases, from the last checkpoint if there is one."""
        checkpoint = self.job.run / runs.CHECKPOINT
        if checkpoint.exists():
            state = load_state(checkpoint)
            self._restore(state)
            self.progress.say(f"resumed after epoch {state.epoch}")
        else:
            self._train_head()
            state = self._state(0, [], 0)
            save_state(state, checkpoint)
        train_s = 0.0
        first_epoch = state.epoch + 1
        epoch = state.epoch
        while not self._is_done(state):
            epoch = state.epoch + 1
            epoch_started_s = time.perf_counter()
            loss = self._train_epoch(epoch)
            train_s += time.perf_counter() - epoch_started_s
            state = self._finish_epoch(state, loss, time.perf_counter() - epoch_started_s)
            save_state(state, checkpoint)
        num_trained = (epoch - first_epoch + 1) * len(self.splits["train"])
        return self._finish(state, started_s, num_trained / train_s if train_s else 0.0)

    def _is_done(self, state: State) -> bool:
        waited = state.epoch - state.best_epoch
        return state.epoch >= self.recipe.epochs or waited >= self.recipe.patience

    def _train_head(self) -> None:
        """Teach the classifier alone, on features of the frozen backbone (BatchNorm in eval)."""
        if not self.recipe.head_epochs:
            return
        indices = self.splits["train"]
        self.network.eval()
        parts = []
        with torch.inference_mode(), self.progress.phase("features", len(indices)) as step:
            for start in range(0, len(indices), self.recipe.batch_size):
                chunk = indices[start : start + self.recipe.batch_size]
                photos = torch.from_numpy(self.cache.batch(chunk)).to(self.device)
                parts.append(self.network.features(photos))
                for _ in chunk:
                    step()
        features = torch.cat(
            parts
        ).clone()  # [N, C]; a clone, since autograd takes no inference tensor
        targets = torch.from_numpy(self.targets[indices]).to(self.device)
        head = self._head().train()
        optimizer = torch.optim.AdamW(head.parameters(), lr=self.recipe.head_rate)
        torch.manual_seed(_seed_of(self.job.seed, 0))
        for _ in range(self.recipe.head_epochs):
            for chosen in torch.randperm(len(indices)).split(self.recipe.batch_size):
                chosen = chosen.to(self.device)
                loss = self._loss(head(features[chosen]), targets[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def _train_epoch(self, epoch: int) -> float:
        """Teach the whole network for one epoch; return the mean loss."""
        torch.manual_seed(_seed_of(self.job.seed, epoch))  # of dropout
        self.network.train()
        total = torch.zeros((), device=self.device)
        title = f"epoch {epoch}/{self.recipe.epochs}"
        with (
            self.progress.phase(title, self.steps_per_epoch) as step,
            contextlib.closing(self._batches(epoch)) as batches,
        ):
            for number, (photos, targets) in enumerate(batches):
                self._set_rates((epoch - 1) * self.steps_per_epoch + number)
                with self._autocast():
                    logits = self.network(photos)
                loss = self._loss(logits.float(), targets)
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                self.average.update_parameters(self.network)
                total += loss.detach()
                step()
        return float(total) / self.steps_per_epoch

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented photos uint8 `[N, S, S, 3]` and targets, one batch made ahead."""
        order = np.random.default_rng([self.job.seed, epoch]).permutation(self.splits["train"])
        chunks = np.array_split(order, self.steps_per_epoch)

        def view(index: int) -> Pixels:
            rng = np.random.default_rng([self.job.seed, epoch, index])
            return augment_photo(self.cache.scaled(index), self.recipe, rng)

        with ThreadPoolExecutor() as pool:
            ahead = [pool.submit(view, int(index)) for index in chunks[0]]
            for number, chunk in enumerate(chunks):
                views, ahead = ahead, []
                if number + 1 < len(chunks):
                    ahead = [pool.submit(view, int(index)) for index in chunks[number + 1]]
                photos = torch.from_numpy(np.stack([future.result() for future in views]))
                targets = torch.from_numpy(self.targets[chunk])
                yield photos.to(self.device), targets.to(self.device)

    def _finish_epoch(self, before: State, loss: float, duration_s: float) -> State:
        """Validate the averaged weights, keep them if they are the best so far."""
        epoch = before.epoch + 1
        logits, targets = self._answer("val")
        val_loss = float(
            functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
        )
        row = {
            "epoch": epoch,
            "train_loss": loss,
            "val_loss": val_loss,
            "val_top1_ratio": top1_ratio(logits, targets),
            "duration_s": duration_s,
        }
        history = [*before.history, row]
        # By loss: it weighs how sure each answer is, so it is far less noisy than top-1.
        best = min(history, key=lambda row: row["val_loss"])
        if best is row:
            self._save_model()
        names = list(row)
        lines = [",".join(names)] + [",".join(f"{r[name]:.6g}" for name in names) for r in history]
        atomic.write_text(self.job.run / runs.METRICS, "\n".join(lines) + "\n")
        self.progress.say(
            f"epoch {epoch}: loss {loss:.3f}, validation {100 * row['val_top1_ratio']:.1f} %"
            f"{' (best so far)' if best is row else ''}, {duration_s:.0f} s"
        )
        return self._state(epoch, history, int(best["epoch"]))

    def _finish(self, state: State, started_s: float, images_per_s: float) -> Outcome:
        """Look at the test photos, once, with the best epoch's weights; draw the pictures."""
        from safetensors.torch import load_file

        averaged = self.average.module
        averaged.load_state_dict(load_file(self.job.run / runs.MODEL, device=str(self.device)))
        logits, targets = self._answer("test")
        predicted = logits.argmax(axis=1)
        num_right = int((predicted == targets).sum())
        plot_curves(state.history, state.best_epoch, self.job.run / "curves.png")
        confusion = confusion_matrix(predicted, targets, len(self.labels))
        plot_confusion(confusion, self.labels, self.job.run / "confusion.png")
        best = next(row for row in state.history if row["epoch"] == state.best_epoch)
        return Outcome(
            best_epoch=state.best_epoch,
            val_top1_ratio=best["val_top1_ratio"],
            num_test=len(targets),
            test_top1_ratio=num_right / len(targets),
            test_interval_ratio=wilson_interval(num_right, len(targets)),
            duration_s=time.perf_counter() - started_s,
            images_per_s=images_per_s,
        )

    def _answer(self, split: str) -> tuple[Logits, Indices]:
        """Return the averaged network's logits and the targets of a split."""
        indices = self.splits[split]
        photos = [self.cache.pixels(index) for index in indices]
        return predict_logits(self.average.module, photos, self.device), self.targets[indices]

    def _save_model(self) -> None:
        from safetensors.torch import save

        state = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self.average.module.state_dict().items()
        }
        atomic.write_file(self.job.run / runs.MODEL, lambda file: file.write(save(state)))

    def _state(self, epoch: int, history: list[dict[str, float]], best_epoch: int) -> State:
        return State(
            epoch=epoch,
            network=self.network.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            history=history,
            best_epoch=best_epoch,
        )

    def _restore(self, state: State) -> None:
        self.network.load_state_dict(state.network)
        self.average.load_state_dict(state.average)
        self.optimizer.load_state_dict(state.optimizer)

    def _head(self) -> nn.Module:
        head: nn.Module = self.network.network.get_submodule("classifier")
        return head

    def _build_optimizer(self) -> torch.optim.AdamW:
        head = {id(parameter) for parameter in self._head().parameters()}
        groups = []
        for is_head in (False, True):
            for is_matrix in (False, True):
                groups.append(
                    {
                        "params": [
                            parameter
                            for parameter in self.network.parameters()
                            if (id(parameter) in head) == is_head
                            and (parameter.ndim > 1) == is_matrix
                        ],
                        "weight_decay": self.recipe.weight_decay if is_matrix else 0.0,
                        "peak": self.recipe.rate if is_head else self.recipe.backbone_rate,
                    }
                )
        return torch.optim.AdamW(groups, lr=0.0)

    def _set_rates(self, step: int) -> None:
        """Set the rates of a step: linear warm-up, then a cosine down to 0.

        Source: Loshchilov & Hutter, "SGDR" (2016), without restarts.
        """
        num_steps = self.recipe.epochs * self.steps_per_epoch
        num_warmup = max(1, round(self.recipe.warmup_ratio * num_steps))
        if step < num_warmup:
            factor = (step + 1) / num_warmup
        else:
            done_ratio = (step - num_warmup) / max(1, num_steps - num_warmup)
            factor = (1 + math.cos(math.pi * done_ratio)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits, targets, label_smoothing=self.recipe.label_smoothing
        )

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return bf16 on CUDA, where it is faster and needs no loss scaling; fp32 on a CPU."""
        if self.device.type != "cuda":
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        return torch.autocast("cuda", dtype=dtype)


def _seed_of(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


def _check_folder(job: Job) -> None:
    if job.seed < 0:
        raise ConfigError(f"--seed {job.seed}: must be 0 or more")
    if (job.run / runs.RECORD).exists():
        if not job.resume:
            raise TrainError(
                f"{job.run}: holds a run already; go on with it by adding --resume, or give --out "
                "another name"
            )
    elif job.run.exists() and (not job.run.is_dir() or any(job.run.iterdir())):
        raise TrainError(f"{job.run}: exists and is not empty; give --out another name")


def _load_earlier(job: Job, record: RunRecord) -> RunRecord | None:
    """Return the record of the run to resume, if there is one, after checking it is the same."""
    if not (job.run / runs.RECORD).exists():
        return None
    before = runs.load_run(job.run)
    for name in ("arch", "weights", "seed", "recipe", "data_sha256"):
        if getattr(before, name) != getattr(record, name):
            raise TrainError(
                f"{job.run}: --resume needs the same {name.replace('_', ' ')} as before: "
                f"{getattr(before, name)}, not {getattr(record, name)}"
            )
    return before


def _split(cache: PhotoCache, job: Job) -> Split:
    labels: Sequence[str] = [photo.label for photo in cache.photos]
    groups = group_photos(cache.fingerprints)
    ready = [photo.split for photo in cache.photos]
    if all(ready):
        splits = keep_ready_split([str(split) for split in ready], groups)
    else:
        splits = split_photos(
            labels,
            groups,
            seed=job.seed,
            val_ratio=job.recipe.val_ratio,
            test_ratio=job.recipe.test_ratio,
        )
    return Split(
        seed=job.seed,
        num_duplicates=sum(group != i for i, group in enumerate(groups)),
        photos=tuple(
            SplitPhoto(photo.path.relative_to(job.data).as_posix(), photo.label, sha256, split)
            for photo, sha256, split in zip(cache.photos, cache.hashes, splits, strict=True)
        ),
    )


def _describe_split(split: Split, record: RunRecord) -> str:
    num = record.num_photos
    left_out = f", {num['out']} left out of training (copies of test photos)" if num["out"] else ""
    return (
        f"{len(split.photos)} photos of {len(record.labels)} classes: {num['train']} train, "
        f"{num['val']} validate, {num['test']} test; {split.num_duplicates} near-duplicates kept "
        f"together{left_out}"
    )


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"
