"""Batches that do not fit into memory: in parts, or refused with what fits."""

import copy
import dataclasses
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.cli.main import _run  # noqa: E402
from edgecat.errors import ConfigError, TrainError  # noqa: E402
from edgecat.train.batches import Batch  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.learner import build_learner, set_rates  # noqa: E402
from edgecat.train.loop import take_step  # noqa: E402
from edgecat.train.loss import measure_loss  # noqa: E402
from edgecat.train.memory import _double  # noqa: E402
from edgecat.train.network import build_network  # noqa: E402
from edgecat.train.recipe import Recipe  # noqa: E402
from edgecat.train.run import load_run  # noqa: E402

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SIDE_PX = 64

# Sums of float32 in another order.
GRADIENT_RATIO = 1e-3

OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    MemoryError("std::bad_alloc"),
)


def make_batch(num, num_classes=3):
    torch.manual_seed(0)
    photos = torch.randint(0, 256, (num, SIDE_PX, SIDE_PX, 3), dtype=torch.uint8)
    return Batch(photos, torch.randint(0, num_classes, (num,)), torch.randn(num, num_classes))


def step(network, batch, recipe):
    """Return the loss of a step, and the gradients that it went by."""
    learner = build_learner(copy.deepcopy(network), recipe, CPU)
    set_rates(learner.optimizer, 0, 10, 0.1)
    loss = take_step(learner, batch, recipe)
    return loss, torch.cat([p.grad.flatten() for p in learner.network.parameters()])


@pytest.mark.parametrize("num_parts", [2, 3, 16])
def test_the_gradients_of_the_parts_add_up_to_those_of_the_whole(num_parts):
    torch.manual_seed(0)
    network = build_network("mobilenet_v3_small", 3).eval()  # no dropout, fixed statistics
    batch, recipe = make_batch(9), Recipe(teacher_ratio=0.5)
    whole_loss, whole = step(network, batch, recipe)
    loss, gradients = step(network, batch, dataclasses.replace(recipe, batch_parts=num_parts))
    assert loss == pytest.approx(whole_loss, rel=GRADIENT_RATIO)
    assert (gradients - whole).norm() < GRADIENT_RATIO * whole.norm()


@pytest.mark.parametrize(
    ("num", "num_parts", "sizes"),
    [(9, 1, [9]), (9, 2, [5, 4]), (9, 4, [3, 2, 2, 2]), (9, 100, [3, 2, 2, 2]), (1, 3, [1])],
)
def test_no_part_of_a_batch_is_a_single_photo(num, num_parts, sizes):
    batch = make_batch(num)
    parts = list(batch.split(num_parts))
    assert [len(part.photos) for part in parts] == sizes
    for name in ("photos", "targets", "answers"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(batch, name))


@pytest.mark.parametrize(
    ("least", "most", "numbers"),
    [(1, 8, [1, 2, 4, 8]), (1, 3, [1, 2, 3]), (2, 3, [2, 3]), (4, 3, [3]), (1, 1, [1])],
)
def test_parts_double_until_none_could_be_smaller(least, most, numbers):
    assert list(_double(least, most)) == numbers


def cramp(monkeypatch, num_photos, error=OUT_OF_MEMORY[0]):
    """Let no step take more photos at once."""

    def measure(logits, part, *more):
        if len(logits) > num_photos:
            raise error
        return measure_loss(logits, part, *more)

    monkeypatch.setattr("edgecat.train.loop.measure_loss", measure)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_memory_that_runs_out_is_told_with_what_fits(job, tmp_path, monkeypatch, error):
    cramp(monkeypatch, 3, error)
    wanted = r"batch_size 8 takes more memory.*--batch auto, .* at once, 2 photos fit"
    with pytest.raises(TrainError, match=wanted):
        finetune(dataclasses.replace(job, run=tmp_path / "run"))


def test_whose_parts_are_the_smallest_is_not_told_to_take_smaller_ones(job, tmp_path, monkeypatch):
    cramp(monkeypatch, 1)
    recipe = dataclasses.replace(job.recipe, batch_parts=4)
    with pytest.raises(TrainError, match=r"with smaller crops \(--set crop_side_px=32\), or where"):
        finetune(dataclasses.replace(job, run=tmp_path / "run", recipe=recipe))


def test_another_error_of_torch_is_not_taken_for_it(job, tmp_path, monkeypatch):
    cramp(monkeypatch, 3, RuntimeError("shape '[8]' is invalid"))
    with pytest.raises(RuntimeError, match="is invalid"):
        finetune(dataclasses.replace(job, run=tmp_path / "run", fits_memory=True))


def test_a_batch_is_halved_until_it_fits_and_the_record_says_so(job, tmp_path, monkeypatch):
    cramp(monkeypatch, 5)
    job = dataclasses.replace(job, run=tmp_path / "run", fits_memory=True)
    record = finetune(job)
    assert (record.recipe.batch_size, record.recipe.batch_parts) == (8, 2)
    assert load_run(job.run).recipe == record.recipe
    assert record.outcome is not None


def test_a_run_in_parts_goes_on_where_memory_is_another(job, tmp_path, monkeypatch):
    job = dataclasses.replace(job, run=tmp_path / "run", fits_memory=True)
    monkeypatch.setattr("edgecat.train.loop.validate", stop)
    with pytest.raises(KeyboardInterrupt):
        finetune(job)
    assert load_run(job.run).recipe.batch_parts == 1
    monkeypatch.undo()
    cramp(monkeypatch, 5)
    record = finetune(dataclasses.replace(job, resume=True))
    assert record.recipe.batch_parts == 2
    assert record.outcome is not None


@pytest.mark.usefixtures("one_thread")
def test_a_run_in_parts_goes_on_in_as_many_where_memory_is_more(job, tmp_path, monkeypatch):
    job = dataclasses.replace(job, fits_memory=True)
    cramp(monkeypatch, 5)
    finetune(dataclasses.replace(job, run=tmp_path / "whole"))
    stopped = dataclasses.replace(job, run=tmp_path / "stopped", resume=True)
    with monkeypatch.context() as patch:
        patch.setattr("edgecat.train.loop.validate", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(stopped)
    monkeypatch.undo()
    assert finetune(stopped).recipe.batch_parts == 2
    whole, resumed = (tmp_path / name / "model.safetensors" for name in ("whole", "stopped"))
    assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(("side_px", "told_px"), [(64, 32), (40, 32), (32, 32)])
def test_the_crops_that_are_advised_are_accepted(job, tmp_path, monkeypatch, side_px, told_px):
    cramp(monkeypatch, 1)
    recipe = dataclasses.replace(job.recipe, crop_side_px=side_px)
    asked = dataclasses.replace(job, run=tmp_path / "run", recipe=recipe, fits_memory=True)
    with pytest.raises(TrainError, match=f"--set crop_side_px={told_px}$"):
        finetune(asked)


def stop(*_):
    raise KeyboardInterrupt


def test_where_not_even_two_photos_fit_nothing_is_begun(job, tmp_path, monkeypatch):
    cramp(monkeypatch, 1)
    with pytest.raises(TrainError, match="not even 2 photos of a step fit"):
        finetune(dataclasses.replace(job, run=tmp_path / "run", fits_memory=True))


def test_ranks_have_parts_already(job, monkeypatch):
    from edgecat.train.finetune import _check_parts
    from edgecat.train.ranks import Ranks

    for asked in (
        dataclasses.replace(job, fits_memory=True),
        dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, batch_parts=2)),
    ):
        with pytest.raises(ConfigError, match="2 ranks: they share each batch already"):
            _check_parts(asked, Ranks(size=2))
    _check_parts(job, Ranks(size=2))


# A batch of 96 photos of 96 px takes half a gigabyte.
REALLY_SHORT = """
import torch
from edgecat.machine.memory import FreeMemory
from edgecat.train import memory
from edgecat.train.allocator import keep_freed_memory
from edgecat.train.learner import build_learner
from edgecat.train.network import build_network
from edgecat.train.recipe import Recipe

class Data:
    num_learned = 96

class Session:
    recipe, data, steps_per_epoch = Recipe(crop_side_px=96), Data, 1

keep_freed_memory()
torch.set_num_threads(1)
learner = build_learner(build_network("mobilenet_v3_small", 3), Session.recipe, torch.device("cpu"))
for size_mib in range(60, 260, 20):
    memory.read_free_memory = lambda: FreeMemory(size_mib * 2**20)
    print(memory._find_parts(Session, learner, 1))
"""


def test_where_memory_is_really_short_a_step_still_fits():
    # One size after the other: somewhere oneDNN's code generator is what gets nothing, and smaller
    # parts must not fail for that; nor must what one try leaves behind be the next one's.
    done = subprocess.run(
        [sys.executable, "-c", REALLY_SHORT], capture_output=True, text=True, check=True
    )
    found = [int(num_parts) for num_parts in done.stdout.split()]
    assert all(2 <= num_parts <= 32 for num_parts in found), found


@pytest.mark.parametrize("given", ["many", "1", "0", "-4", "1.5", "", "9" * 5000])
def test_a_batch_is_a_number_or_auto(photos, tmp_path, capsys, given):
    command = ["finetune", str(photos), "--out", str(tmp_path / "run"), f"--batch={given}"]
    assert _run(command) == 2
    assert "neither a number of photos from 2 nor auto" in capsys.readouterr().err
