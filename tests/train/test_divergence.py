"""Runs that go wrong end with an error and a checkpoint; runs that only begin slowly do not."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.errors import DivergedError, TrainError  # noqa: E402
from edgecat.train import divergence  # noqa: E402
from edgecat.train.batches import Batch  # noqa: E402
from edgecat.train.checkpoint import load_state  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.learner import build_learner  # noqa: E402
from edgecat.train.loop import take_step  # noqa: E402
from edgecat.train.network import build_network  # noqa: E402
from edgecat.train.recipe import Recipe  # noqa: E402
from edgecat.train.run import load_run  # noqa: E402

WILD = {"rate": 1.0, "backbone_rate": 1.0}
NAN = math.nan

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains


# Whole runs


def test_a_rate_too_high_ends_with_the_epoch_the_rate_to_try_and_the_last_good_checkpoint(
    job, quick, listens, tmp_path
):
    run = tmp_path / "r"
    wild = dataclasses.replace(quick, epochs=3, **WILD)
    asked = dataclasses.replace(job, run=run, recipe=wild)
    with pytest.raises(DivergedError, match="diverged in epoch 1") as diverged:
        finetune(asked)
    assert "--resume --set rate=0.001 --set backbone_rate=0.0005" in str(diverged.value)
    assert load_state(run / "last.pt").epoch == 0
    assert load_run(run).divergences == (diverged.value.args[0],)
    assert not (run / "model.safetensors").exists()

    with pytest.raises(DivergedError, match="diverged in epoch 1"):  # the same again is no use
        finetune(dataclasses.replace(asked, resume=True))
    with pytest.raises(TrainError, match="needs the same recipe's epochs"):
        other = dataclasses.replace(wild, epochs=4, rate=1e-3)
        finetune(dataclasses.replace(asked, resume=True, recipe=other))

    tame = dataclasses.replace(quick, epochs=3)
    record = finetune(dataclasses.replace(asked, resume=True, recipe=tame), listens)
    assert "resumed after epoch 0" in listens.lines
    assert (record.recipe, len(record.divergences)) == (tame, 1)
    finetune(dataclasses.replace(job, run=tmp_path / "straight", recipe=tame))
    straight, resumed = (tmp_path / name / "model.safetensors" for name in ("straight", "r"))
    assert resumed.read_bytes() == straight.read_bytes()


def test_a_heads_rate_too_high_is_named_and_may_be_changed(job, quick, tmp_path):
    wild = dataclasses.replace(quick, head_epochs=5, head_rate=1.0)
    asked = dataclasses.replace(job, run=tmp_path / "r", recipe=wild)
    with pytest.raises(DivergedError, match=r"epoch 0, with head_rate 1: .*--set head_rate=0\.001"):
        finetune(asked)
    tame = dataclasses.replace(wild, head_rate=1e-3)
    record = finetune(dataclasses.replace(asked, resume=True, recipe=tame))
    assert record.outcome.test_top1_ratio > 1 / 3


@pytest.mark.parametrize("rates", [{"backbone_rate": 1.0}, {"rate": 0.1, "backbone_rate": 0.1}])
def test_no_run_of_wild_rates_ends_with_a_model_that_is_kept(job, quick, tmp_path, rates):
    wild = dataclasses.replace(quick, epochs=3, **rates)
    with pytest.raises(DivergedError):
        finetune(dataclasses.replace(job, run=tmp_path / "r", recipe=wild))
    assert not (tmp_path / "r" / "model.safetensors").exists()


def test_random_weights_that_answer_one_class_to_the_end_are_no_result(job, quick, tmp_path):
    slow = dataclasses.replace(quick, head_epochs=0, ema_decay=0.999)
    with pytest.raises(DivergedError, match="in no epoch was the network better") as diverged:
        finetune(dataclasses.replace(job, run=tmp_path / "r", weights="scratch", recipe=slow))
    assert "or train for more epochs, in a new folder" in str(diverged.value)
    assert not (tmp_path / "r" / "model.safetensors").exists()


# One step


def make_step(spoil=None):
    """Return a learner in training, photos and targets for one step."""
    torch.manual_seed(0)
    learner = build_learner(build_network("mobilenet_v3_small", 3), Recipe(), torch.device("cpu"))
    learner.network.train()
    for group in learner.optimizer.param_groups:
        group["lr"] = 1e-3
    if spoil is not None:
        spoil(learner.network.network)
    photos = torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8)
    return learner, Batch(photos, torch.tensor([0, 1, 2, 0]))


def spoil_convolution(network):
    network.features[3].block[0][0].weight.data.mul_(1e30)


def spoil_output(network):
    network.classifier[3].weight.data.mul_(1e38)


def spoil_gradients(network):
    network.classifier[3].bias.register_hook(lambda gradient: gradient * math.inf)


def copy_of(learner):
    states = learner.network.state_dict(), learner.average.state_dict()
    return [tensor.clone() for state in states for tensor in state.values()]


@pytest.mark.parametrize("spoil", [spoil_convolution, spoil_output, spoil_gradients])
def test_a_step_that_is_not_finite_changes_nothing(spoil):
    learner, batch = make_step(spoil)
    before = copy_of(learner)
    assert math.isnan(take_step(learner, batch, Recipe()))
    assert all(map(torch.equal, before, copy_of(learner)))
    assert not learner.optimizer.state


def test_a_step_that_is_finite_changes_weights_statistics_and_average():
    learner, batch = make_step()
    before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
    assert take_step(learner, batch, Recipe()) == pytest.approx(math.log(3), abs=0.5)
    after = learner.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"network.classifier.3.weight", "network.features.0.1.running_mean"} <= changed
    assert learner.average.n_averaged == 1


# Limits


def ends_a_run(check, *arguments):
    try:
        check(Recipe(), *arguments)
    except DivergedError:
        return True
    return False


@pytest.mark.parametrize(
    ("losses", "num_steps", "ends"),
    [
        ([1.0, NAN, NAN, NAN, NAN], 40, False),
        ([1.0, NAN, NAN, NAN, NAN, NAN], 40, True),
        ([NAN, 1.0, NAN, NAN, NAN, NAN, 1.0], 40, False),
        ([NAN, NAN], 3, False),
        ([NAN, NAN, NAN], 3, True),
        ([NAN], 1, True),
    ],
)
def test_five_steps_in_a_row_or_all_of_an_epoch_end_a_run(losses, num_steps, ends):
    assert ends_a_run(divergence.check_steps, 2, np.array(losses), num_steps) == ends


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([2.5, 2.5, 2.5, 1e9, 1e9], False),  # two explosions of five steps: the others are sound
        ([2.5, 1e9, NAN, NAN, 2.5], False),
        ([2.5, 1e9, 1e9], True),
        ([math.inf], True),
        ([9.8], False),  # guessing one of 12 classes costs ln 12 = 2.48
        ([10.1], True),
    ],
)
def test_losses_far_above_guessing_end_a_run_if_half_of_the_steps_have_them(losses, ends):
    assert ends_a_run(divergence.check_losses, 2, np.array(losses), 12) == ends


@pytest.mark.parametrize(
    ("teacher_ratio", "loss", "ends"),
    # ln 12 = 2.48, times the squared temperature of 2 where a teacher is sure; at most 4 of that.
    [(1.0, 39.0, False), (1.0, 41.0, True), (0.5, 24.0, False), (0.5, 26.0, True)],
)
def test_by_a_teachers_answers_guessing_costs_more(teacher_ratio, loss, ends):
    recipe = Recipe(teacher_ratio=teacher_ratio, temperature=2.0)
    losses, error = np.array([loss]), pytest.raises(DivergedError)
    with error if ends else contextlib.nullcontext():
        divergence.check_losses(recipe, 2, losses, 12, is_taught=True)
    with pytest.raises(DivergedError):
        divergence.check_losses(recipe, 2, losses, 12)  # by labels alone


def test_at_a_low_temperature_guessing_costs_no_less():
    recipe = Recipe(temperature=0.1)
    divergence.check_losses(recipe, 2, np.array([9.8]), 12, is_taught=True)


@pytest.mark.parametrize(
    ("recalls", "ends"),
    [
        ([0, 0, 0, 0, 0, 0], False),  # begins slowly
        ([0, 0, 0.06, 0, 0], False),
        ([0, 0, 0.06, 0.04, -0.1, 0], True),
        ([0.9, 0, 0, 0.9], False),
        ([0.9, 0, 0, 0], True),
        ([], False),
    ],
)
def test_answers_no_better_than_guessing_end_a_run_only_after_better_epochs(recalls, ends):
    history = [{"adjusted_recall_ratio": recall} for recall in recalls]
    assert ends_a_run(divergence.check_history, history) == ends


@pytest.mark.parametrize(("head_rate", "is_named"), [(1e-3, False), (1.0, True)])
def test_a_heads_rate_that_may_be_why_nothing_was_learned_is_named(head_rate, is_named):
    with pytest.raises(DivergedError) as diverged:
        divergence.check_kept(Recipe(head_rate=head_rate), 5, best_epoch=0)
    assert ("head_rate 1 may be why: begin again" in str(diverged.value)) == is_named
    divergence.check_kept(Recipe(head_rate=head_rate), 5, best_epoch=1)
