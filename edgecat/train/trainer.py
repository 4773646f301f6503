"""One run's steps: the head alone, then everything, the epoch to keep, the test.

All chance comes from (seed, epoch), so a resumed run draws the same photos, crops and dropout as
one that was never stopped.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgecat import atomic
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Split
from edgecat.progress import Progress
from edgecat.scores.metrics import Indices, Logits, confusion_matrix, top1_ratio, wilson_interval
from edgecat.train import run as runs
from edgecat.train.augment import augment_photo
from edgecat.train.cache import PhotoCache
from edgecat.train.checkpoint import State, load_state, save_state
from edgecat.train.network import PhotoNetwork, predict_logits
from edgecat.train.plots import plot_confusion, plot_curves
from edgecat.train.recipe import Recipe
from edgecat.train.run import Outcome


class Trainer:
    """The state of one run, and the steps that change it."""

    def __init__(
        self,
        run: Path,
        recipe: Recipe,
        seed: int,
        network: PhotoNetwork,
        device: torch.device,
        cache: PhotoCache,
        split: Split,
        progress: Progress,
    ) -> None:
        self.run, self.recipe, self.seed, self.progress = run, recipe, seed, progress
        self.network, self.device, self.cache = network, device, cache
        self.labels = split.labels()
        self.splits = {name: split.indices(name) for name in ("train", "val", "test")}
        number_of = {label: number for number, label in enumerate(self.labels)}
        self.targets = np.array([number_of[photo.label] for photo in split.photos])
        average = get_ema_multi_avg_fn(self.recipe.ema_decay)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
        # BatchNorm needs two photos: a rest of one joins no step.
        num_train = len(self.splits["train"])
        self.steps_per_epoch = max(1, round(num_train / self.recipe.batch_size))
        self.optimizer = self._build_optimizer()

    def train(self, started_s: float) -> Outcome:
        """Run all phases, from the last checkpoint if there is one."""
        checkpoint = self.run / runs.CHECKPOINT
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
        peak = max(state.history, key=lambda row: row["val_top1_ratio"], default={"epoch": 0})
        waited = state.epoch - peak["epoch"]
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
        head = self.network.head.train()
        optimizer = torch.optim.AdamW(head.parameters(), lr=self.recipe.head_rate)
        torch.manual_seed(_seed_of(self.seed, 0))
        for _ in range(self.recipe.head_epochs):
            order = torch.randperm(len(indices), device="cpu").to(self.device)
            for start in range(0, len(order), self.recipe.batch_size):
                chosen = order[start : start + self.recipe.batch_size]
                loss = self._loss(head(features[chosen]), targets[chosen])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    def _train_epoch(self, epoch: int) -> float:
        """Teach the whole network for one epoch; return the mean loss."""
        torch.manual_seed(_seed_of(self.seed, epoch))  # of dropout
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

    def _batches(self, epoch: int) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Yield augmented photos uint8 `[N, S, S, 3]` and targets, one batch made ahead."""
        order = np.random.default_rng([self.seed, epoch]).permutation(self.splits["train"])
        chunks = np.array_split(order, self.steps_per_epoch)

        def view(index: int) -> Pixels:
            rng = np.random.default_rng([self.seed, epoch, index])
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
        """Validate the averaged weights, keep them if no epoch was better by more than chance."""
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
        is_kept = row["val_top1_ratio"] >= _least_good_ratio(history, len(targets))
        if is_kept:
            self._save_model()
        names = list(row)
        lines = [",".join(names)] + [",".join(f"{r[name]:.6g}" for name in names) for r in history]
        atomic.write_text(self.run / runs.METRICS, "\n".join(lines) + "\n")
        self.progress.say(
            f"epoch {epoch}: loss {loss:.3f}, validation {100 * row['val_top1_ratio']:.1f} %"
            f"{' (kept)' if is_kept else ''}, {duration_s:.0f} s"
        )
        return self._state(epoch, history, epoch if is_kept else before.best_epoch)

    def _finish(self, state: State, started_s: float, images_per_s: float) -> Outcome:
        """Look at the test photos, once, with the best epoch's weights; draw the pictures."""
        self._averaged().load_state_dict(load_file(self.run / runs.MODEL, device=str(self.device)))
        logits, targets = self._answer("test")
        predicted = logits.argmax(axis=1)
        num_right = int((predicted == targets).sum())
        plot_curves(state.history, state.best_epoch, self.run / "curves.png")
        confusion = confusion_matrix(predicted, targets, len(self.labels))
        plot_confusion(confusion, self.labels, self.run / "confusion.png")
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
        return predict_logits(self._averaged(), photos, self.device), self.targets[indices]

    def _save_model(self) -> None:
        state = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in self._averaged().state_dict().items()
        }
        atomic.write_file(self.run / runs.MODEL, lambda file: file.write(save(state)))

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

    def _averaged(self) -> PhotoNetwork:
        return cast(PhotoNetwork, self.average.module)

    def _build_optimizer(self) -> torch.optim.AdamW:
        head = {id(parameter) for parameter in self.network.head.parameters()}
        groups = [
            {
                "params": [
                    parameter
                    for parameter in self.network.parameters()
                    if (id(parameter) in head, parameter.ndim > 1) == (is_head, is_matrix)
                ],
                "weight_decay": self.recipe.weight_decay if is_matrix else 0.0,
                "peak": self.recipe.rate if is_head else self.recipe.backbone_rate,
            }
            for is_head, is_matrix in itertools.product((False, True), repeat=2)
        ]
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


def _least_good_ratio(history: Sequence[Mapping[str, float]], num_images: int) -> float:
    """Return the validation top-1 from which an epoch counts as good as the best, 0-1.

    The best less one standard error: on some hundred photos the highest score of ten epochs is
    mostly luck, and of equals the latest is the best trained, at the lowest rate and with the
    longest average. Source: the one-standard-error rule, Breiman et al., "Classification and
    Regression Trees" (1984), section 3.4.3.
    """
    best = max(row["val_top1_ratio"] for row in history)
    return best - math.sqrt(best * (1 - best) / num_images)
