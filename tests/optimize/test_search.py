"""A search: what it plans, that it goes on after a kill, what it finds, and what it refuses."""

import dataclasses
import json
import shlex
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.optimize.predicted_latency import predict_ratio  # noqa: E402
from edgecat.cli.main import _run  # noqa: E402
from edgecat.errors import (  # noqa: E402
    ConfigError,
    DatasetError,
    DivergedError,
    StorageError,
    TrainError,
)
from edgecat.optimize.costs import Costs, open_meter  # noqa: E402
from edgecat.optimize.expected import expect_joint_cost, expect_savings  # noqa: E402
from edgecat.optimize.found import FrontWriter  # noqa: E402
from edgecat.optimize.job import COSTS, FRONT, PARENT, PICTURE, PLAN, SAVINGS, SearchJob  # noqa: E402
from edgecat.optimize.judge import open_judge  # noqa: E402
from edgecat.optimize.kept import load_kept, save_kept  # noqa: E402
from edgecat.optimize.photos import find_photos  # noqa: E402
from edgecat.optimize.plan import open_search, plan_search  # noqa: E402
from edgecat.optimize.savings import Saving, Savings  # noqa: E402
from edgecat.optimize.search import optimize  # noqa: E402
from edgecat.progress import Silent  # noqa: E402
from edgecat.train.checkpoint import load_state, save_state  # noqa: E402
from edgecat.train.finished import load_checkpoint  # noqa: E402
from edgecat.train.run import load_run  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains

# What `edgecat` ends with after Ctrl-C.
STOPPED = 130

# That the table predicts: 1/1.2 by edits of blocks alone, half of the time with the smaller input.
SPEEDUPS = (1.2, 2.0)


@pytest.fixture(scope="module")
def ask(parent, table):
    """A function that makes a job of a search into a folder."""

    def make(out, **changes):
        values = {"speedups": SPEEDUPS, "epochs": 1, "table": table, "is_other_machine": True}
        return SearchJob(parent, out, **values | changes)

    return make


def plan(job, progress=None):
    progress = progress or Silent()
    with open_search(job, progress) as parent:
        return plan_search(job, parent, progress)


@pytest.fixture(scope="module")
def planned(ask, tmp_path_factory):
    """The folder of a search that has not learned anything, and its plan."""
    out = tmp_path_factory.mktemp("planned") / "search"
    return out, plan(ask(out))


@pytest.fixture
def out(planned, tmp_path):
    """A folder of a planned search of the test's own."""
    return shutil.copytree(planned[0], tmp_path / "search")


@pytest.fixture(scope="module")
def searched(ask, planned, tmp_path_factory):
    """The folder of a finished search, and what it found."""
    out = shutil.copytree(planned[0], tmp_path_factory.mktemp("searched") / "search")
    return out, optimize(ask(out))


def test_a_plan_reaches_each_speedup_with_edits_that_save_and_go_together(planned, table):
    saved = expect_savings(load_kept(Savings, table))
    candidates = planned[1].candidates
    assert [one.name for one in candidates] == ["x1.20", "x2.00"]
    for one, speedup in zip(candidates, SPEEDUPS, strict=True):
        assert one.predicted_ratio <= one.target_ratio == 1 / speedup
        assert one.predicted_ratio == pytest.approx(predict_ratio(saved, one.edits))
        assert one.saving is None  # the machine is another one
        assert not {"no-se", "relu:0"} & set(one.edits)
        assert not {"drop-block:5"} < set(one.edits) & {"drop-block:5", "no-se:5", "narrow:5=128"}
        assert 0 <= one.cost.agreement_ratio <= 1


def test_costs_are_those_of_the_edits_that_save_each_alone(planned):
    found = load_kept(Costs, planned[0] / COSTS)
    costs = found.edits
    assert costs.keys() == {
        "no-se:4", "no-se:5", "no-hidden-head", "drop-block:5", "narrow:5=128", "side:160",
    }  # fmt: skip
    assert all(cost.divergence_nats >= 0 for cost in costs.values())
    assert costs["no-se:4"] != costs["drop-block:5"]
    for one in planned[1].candidates:
        expected_nats = expect_joint_cost(one.edits, found, one.cost)
        assert one.predicted_cost_nats == pytest.approx(expected_nats)


def test_no_edit_costs_nothing_and_test_photos_are_not_there(parent, photos, tmp_path):
    checkpoint = load_checkpoint(parent)
    folder = shutil.copytree(photos, tmp_path / "photos")
    for photo in checkpoint.split.photos:
        if photo.split == "test":
            (folder / photo.path).unlink()
    found = find_photos(checkpoint.record, checkpoint.split, folder, tmp_path, Silent())
    meter = open_meter(checkpoint.record.arch, checkpoint.network, found)
    assert len(meter.targets) == len(checkpoint.split.indices("val"))
    [(_, cost)] = meter.measure([()])
    assert cost.divergence_nats == pytest.approx(0, abs=1e-9)
    assert cost.agreement_ratio == 1


def test_an_edit_that_does_not_fit_is_named_and_left_out(ask, table, tmp_path, listens):
    savings = load_kept(Savings, table)
    of = savings.edits["no-se:4"]
    edits = {"no-hidden-head": of, "drop-block:4": of, "no-such-edit": of}
    save_kept(dataclasses.replace(savings, edits=edits), tmp_path / "table.json")
    progress = listens()
    job = ask(tmp_path / "s", table=tmp_path / "table.json", speedups=(1.1,))
    assert [one.edits for one in plan(job, progress).candidates] == [("no-hidden-head",)]
    said = "\n".join(progress.lines)
    assert "left out: edit drop-block:4: 4 is no block with a shortcut" in said
    assert "left out: edit no-such-edit: accepted are " in said


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latency_ms": 0.0}, "latency_ms 0.0 is not from"),
        ({"edits": {"no-se": {"ratio": 0, "interval_ratio": [0.1, 0.2]}}}, "ratio 0.0 is not from"),
        ({"edits": {"no-se": {"ratio": 1, "interval_ratio": [0.1]}}}, "expected 2 values"),
        ({"edits": {"no-se": {"ratio": 1, "interval_ratio": [2, 1]}}}, "the lower one first"),
    ],
)
def test_a_table_that_no_clock_measured_is_refused_and_not_kept(
    ask, table, tmp_path, values, message
):
    file = tmp_path / "table.json"
    file.write_text(json.dumps(json.loads(table.read_text()) | values))
    with pytest.raises(ConfigError, match=message):
        plan(ask(tmp_path / "s", table=file))
    assert not (tmp_path / "s" / SAVINGS).exists()


def test_a_search_goes_on_where_it_was_killed(ask, planned, tmp_path, listens, monkeypatch):
    job = ask(tmp_path / "search")
    with pytest.raises(KeyboardInterrupt):
        plan(job, listens(dies_in="edits that go"))
    costs = (job.out / COSTS).read_bytes()
    monkeypatch.setattr("edgecat.optimize.costs.edit_network", None)  # no edit is tried again
    with pytest.raises(KeyboardInterrupt):
        plan(job, listens(dies_in="edits that go"))
    assert (job.out / COSTS).read_bytes() == costs
    monkeypatch.undo()
    assert plan(job).candidates == planned[1].candidates


def test_networks_learn_as_finetune_has_it_and_are_compared(searched, planned, parent):
    out, front = searched
    before = load_run(parent)
    assert {row.name for row in front.rows} == {PARENT, "x1.20", "x2.00"}
    for one in planned[1].candidates:
        record = load_run(out / one.name)
        assert record.arch == "+".join((before.arch, *one.edits))
        assert record.parent.run == str(parent)
        assert record.recipe.epochs == 1
        row = next(row for row in front.rows if row.name == one.name)
        assert row.change.top1_ratio == pytest.approx(record.outcome.val_top1_ratio)
        assert row.change.reference_top1_ratio == pytest.approx(before.outcome.val_top1_ratio)
    assert [row.latency_ratio for row in front.rows] == sorted(r.latency_ratio for r in front.rows)
    assert any(row.is_on_front for row in front.rows)
    assert json.loads((out / FRONT).read_text())["rows"][0]["name"] == front.rows[0].name
    assert b"<svg" in (out / PICTURE).read_bytes()


def test_the_recommended_is_the_quickest_that_loses_no_more_than_allowed(ask, searched):
    out, front = searched
    most = ask(out, max_drop_pp=100.0)
    assert optimize(most).recommended.name == front.rows[0].name  # nothing learns again
    strict = optimize(ask(out, max_drop_pp=-99.0))
    lost = [row.name for row in strict.rows if row.edits and not row.change.is_within(-99.0)]
    assert strict.recommended is None or strict.recommended.name not in lost


def test_a_finished_search_that_is_asked_again_only_tells(ask, searched, monkeypatch):
    monkeypatch.setattr("edgecat.optimize.search.finetune", None)
    assert optimize(ask(searched[0])) == searched[1]
    assert optimize(ask(searched[0], budget_minutes=1e-4)) == searched[1]  # nothing is left


def test_a_budget_too_small_for_what_is_left_is_refused(ask, out):
    with pytest.raises(ConfigError, match=r"--budget-minutes 0.0001: one network takes about "):
        optimize(ask(out, budget_minutes=1e-4))


def test_a_search_stopped_between_two_networks_has_a_front_and_goes_on(ask, out, searched, listens):
    class Dies(listens):
        def say(self, line):
            if line.startswith("x2.00 learns on"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(ask(out), Dies())
    names = {row["name"] for row in json.loads((out / FRONT).read_text())["rows"]}
    assert names == {PARENT, "x1.20"}
    assert optimize(ask(out)) == searched[1]


def test_a_network_that_another_process_learned_while_the_front_was_written_is_on_it(
    ask, searched, tmp_path, monkeypatch
):
    out = shutil.copytree(searched[0], tmp_path / "search")
    (out / "x2.00").rename(out / "not-yet")

    def plot_late(front, path):
        if (out / "not-yet").exists():
            (out / "not-yet").rename(out / "x2.00")

    monkeypatch.setattr("edgecat.optimize.found.plot_front", plot_late)
    job = ask(out)
    judge = open_judge(load_checkpoint(job.run), job.data)
    front = FrontWriter(job, load_kept(Savings, out / SAVINGS), judge).write()
    assert front == searched[1]
    kept = json.loads((out / FRONT).read_text())["rows"]
    assert {row["name"] for row in kept} == {PARENT, "x1.20", "x2.00"}


def test_a_machine_that_joins_plans_nothing_and_may_be_another_one(ask, out, monkeypatch):
    kept = {name: (out / name).read_bytes() for name in (SAVINGS, PLAN)}
    monkeypatch.setattr("edgecat.optimize.plan.open_gauge", None)  # nothing is measured
    job = ask(out, is_other_machine=False, table=None)
    assert [one.name for one in plan(job).candidates] == ["x1.20", "x2.00"]
    assert kept == {name: (out / name).read_bytes() for name in (SAVINGS, PLAN)}


def test_what_is_out_of_reach_is_known_to_who_joins(ask, out, listens, monkeypatch):
    plan(ask(out, speedups=(1.2, 50.0)))
    monkeypatch.setattr("edgecat.optimize.plan.open_gauge", None)
    progress = listens()
    assert [one.name for one in plan(ask(out, speedups=(50.0, 1.2)), progress).candidates] == [
        "x1.20"
    ]
    assert progress.lines[0].startswith("left out: x50.00: out of reach; the quickest network that")
    with pytest.raises(ConfigError, match=r"x50.00: out of reach; .* ask for less"):
        plan(ask(out, speedups=(50.0,)), progress)
    assert len(progress.lines) == 1  # the error tells it once


def test_a_run_may_teach_its_own_networks(ask, tmp_path, parent):
    out, sha256 = tmp_path / "search", load_checkpoint(parent).weights_sha256
    optimize(ask(out, teacher=parent, speedups=(1.2,)))
    assert load_run(out / "x1.20").teacher.model_sha256 == sha256
    with pytest.raises(TrainError, match=f"another teacher_sha256: {sha256}, not None; give --out"):
        optimize(ask(out))


@pytest.fixture
def wild(ask, out, parent, tmp_path):
    """A search from a run whose rates were much too high."""
    run, record = shutil.copytree(parent, tmp_path / "wild"), load_run(parent)
    recipe = dataclasses.replace(record.recipe, rate=1.0, backbone_rate=1.0)
    dataclasses.replace(record, recipe=recipe).save(run)
    return dataclasses.replace(ask(out), run=run)


def test_a_network_that_diverges_has_used_up_the_budget_too(wild, listens, monkeypatch):
    monkeypatch.setattr("edgecat.optimize.search._has_time", lambda *_: False)
    progress = listens()
    assert [row.name for row in optimize(wild, progress).rows] == [PARENT]
    assert "the budget is used up; left are x2.00: the same command goes on" in progress.lines


def test_a_network_that_diverges_is_left_out_with_the_command_that_mends_it(
    wild, listens, monkeypatch
):
    job, progress = dataclasses.replace(wild, speedups=(1.2,)), listens()
    assert [row.name for row in optimize(job, progress).rows] == [PARENT]
    [line] = [line for line in progress.lines if line.startswith("x1.20: left out: ")]
    assert "same command" not in line
    _, command = line.split("the search will find it: edgecat ")
    assert _run([*shlex.split(command), "--set", "rate=0.9"]) == DivergedError.exit_code
    assert [row.name for row in optimize(job, progress).rows] == [PARENT]
    assert "with rate 0.9 and backbone_rate 0.0005" in progress.lines[-1]
    monkeypatch.setattr("edgecat.cli.finetune.TerminalProgress", lambda: listens(dies_in="epoch 1"))
    assert _run(shlex.split(command)) == STOPPED
    assert {row.name for row in optimize(job).rows} == {PARENT, "x1.20"}
    assert load_run(job.out / "x1.20").recipe.rate == 0.001


def test_a_budget_ends_after_the_network_that_fits(ask, out, listens, monkeypatch):
    monkeypatch.setattr("edgecat.optimize.search._has_time", lambda *_: False)
    progress = listens()
    front = optimize(ask(out, budget_minutes=1000.0), progress)
    assert {row.name for row in front.rows} == {PARENT, "x1.20"}
    assert "the budget is used up; left are x2.00: the same command goes on" in progress.lines


def test_a_network_that_went_on_where_it_was_killed_tells_how_long_a_whole_one_takes(
    ask, tmp_path, listens
):
    job = ask(tmp_path / "s", epochs=2)
    with pytest.raises(KeyboardInterrupt):
        optimize(job, listens(dies_in="epoch 2"))
    state = load_state(job.run_of("x1.20") / "last.pt")
    state.history[0]["duration_s"] = 1000.0
    save_state(state, job.run_of("x1.20") / "last.pt")
    front = optimize(dataclasses.replace(job, budget_minutes=10.0), progress := listens())
    assert {row.name for row in front.rows} == {PARENT, "x1.20"}
    assert "the budget is used up; left are x2.00: the same command goes on" in progress.lines


@pytest.fixture
def here(ask, table, tmp_path):
    """A job with a table of this machine, and what its edits are expected to save."""
    from edgecat.optimize.savings import _describe_setting

    savings = load_kept(Savings, table)
    setting = _describe_setting(savings.variant)
    mine = dataclasses.replace(savings, cpu=setting.pop("cpu"), versions=setting)
    save_kept(mine, tmp_path / "table.json")
    job = ask(tmp_path / "s", table=tmp_path / "table.json", is_other_machine=False, rounds=10)
    return job, expect_savings(mine)


def test_a_network_is_timed_in_turns(here):
    measured = plan(dataclasses.replace(here[0], speedups=(1.02,))).candidates[0].saving
    assert measured.interval_ratio[0] <= measured.ratio <= measured.interval_ratio[1]


@pytest.mark.parametrize("error_ratio", [1.1, 0.9])
def test_a_network_that_is_slower_or_quicker_than_predicted_is_chosen_anew(
    here, error_ratio, monkeypatch
):
    job, saved = here

    def time_wrongly(stopwatch, edits):
        ratio = predict_ratio(saved, edits) * error_ratio
        return Saving(ratio, (ratio - 0.01, ratio + 0.01))

    monkeypatch.setattr("edgecat.optimize.candidate.measure_saving", time_wrongly)
    [one] = plan(dataclasses.replace(job, speedups=(1.2,))).candidates
    assert one.saving.interval_ratio[0] <= one.target_ratio
    [blind] = plan(
        dataclasses.replace(job, out=job.out / "blind", speedups=(1.2,), is_other_machine=True)
    ).candidates
    assert (one.predicted_ratio < blind.predicted_ratio) == (error_ratio > 1)
    assert (one.predicted_cost_nats > blind.predicted_cost_nats) == (error_ratio > 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speedups": (1.0,)}, "--speedup 1: accepted are numbers above 1"),
        ({"speedups": (float("nan"),)}, "--speedup nan: accepted are numbers above 1"),
        ({"speedups": (1.001,)}, "--speedup 1.001: accepted are numbers above 1.005"),
        (
            {"speedups": (2.001, 1.2, 2.004)},
            "--speedup 2.001 --speedup 2.004: both networks would be called x2.00; leave one",
        ),
        ({"target_latency_ms": 19.95}, "mobilenet_v3_small takes 20.00 ms as it is (onnx"),
        ({"target_latency_ms": 0.0}, "--target-latency-ms 0: accepted are numbers above 0"),
        ({"target_latency_ms": 25.0}, "mobilenet_v3_small takes 20.00 ms as it is (onnx"),
        ({"speedups": (50.0,)}, "x50.00: out of reach; the quickest network that edits make of "),
        ({"budget_minutes": 1e-4}, "--budget-minutes 0.0001: one network takes about "),
        ({"budget_minutes": float("nan")}, "--budget-minutes nan: accepted are numbers above 0"),
        ({"max_drop_pp": float("nan")}, "--max-drop nan: accepted are numbers above -100"),
        ({"table": None}, "--other-machine: whose table? Add --table FILE"),
        (
            {"is_other_machine": False, "speedups": (1.3,)},
            "measured with cpu Another Processor, but here it is ",
        ),
        ({"variant": "openvino-fp32"}, "savings in onnxruntime-fp32, not openvino-fp32"),
        ({"epochs": 2}, "holds a search with another epochs: 1, not 2"),
        ({"teacher": Path("tf_efficientnet_lite2")}, "no run lies there; let one of timm's networ"),
    ],
)
def test_what_no_search_could_do_is_refused(ask, out, changes, message):
    with pytest.raises((ConfigError, TrainError)) as raised:
        optimize(ask(out, **changes))
    assert message in str(raised.value)


def test_a_table_of_another_network_is_refused(ask, table, tmp_path):
    other = dataclasses.replace(load_kept(Savings, table), arch="mobilenet_v3_large")
    save_kept(other, tmp_path / "table.json")
    with pytest.raises(ConfigError, match="savings of mobilenet_v3_large, not of mobilenet_v3_s"):
        plan(ask(tmp_path / "s", table=tmp_path / "table.json"))


def test_another_table_than_that_of_the_search_is_refused(ask, table, out, tmp_path):
    other = dataclasses.replace(load_kept(Savings, table), latency_ms=1.0)
    save_kept(other, tmp_path / "table.json")
    with pytest.raises(ConfigError, match="has another table"):
        plan(ask(out, table=tmp_path / "table.json"))


def test_a_teacher_that_is_to_be_taught_is_refused(ask, searched):
    with pytest.raises(ConfigError, match="is one of the networks that are to be taught"):
        optimize(ask(searched[0], teacher=searched[0] / "x2.00"))


def test_a_folder_of_something_else_is_refused(ask, searched, out, tmp_path, photos):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(TrainError, match=r"mine: exists and is not empty; give --out another"):
        optimize(ask(tmp_path / "mine"))
    with pytest.raises(ConfigError, match=r"letter.txt: is a file; give the name of a folder"):
        optimize(ask(tmp_path / "mine" / "letter.txt"))
    with pytest.raises(TrainError, match="lies inside the photos' folder"):
        optimize(ask(photos / "search"))
    assert not (photos / "search").exists()
    with pytest.raises(TrainError, match="holds a search with another arch"):
        optimize(dataclasses.replace(ask(out), run=searched[0] / "x2.00"))


def test_photos_that_changed_are_refused(ask, photos, tmp_path):
    folder = shutil.copytree(photos, tmp_path / "photos")
    first = (folder / "Bengal/0.png").read_bytes()
    for photo in folder.rglob("*.png"):
        photo.write_bytes(first)
    with pytest.raises(DatasetError, match="changed since the run; fine-tune again, or say where"):
        plan(ask(tmp_path / "s", data=folder))
    with pytest.raises(
        DatasetError, match="the run's photos are not there; say where they are with"
    ):
        plan(ask(tmp_path / "t", data=tmp_path / "nowhere"))


def test_a_full_disk_leaves_what_was_found(ask, planned, out, largest_file):
    (out / PLAN).unlink()
    with largest_file(1000), pytest.raises(StorageError):
        plan(ask(out))
    assert plan(ask(out)).candidates == planned[1].candidates


def test_a_noisy_machine_is_told_with_the_spread(ask, table, tmp_path, listens):
    savings = load_kept(Savings, table)
    wide = {
        edit: dataclasses.replace(one, interval_ratio=(one.ratio - 0.06, one.ratio + 0.06))
        for edit, one in savings.edits.items()
    }
    save_kept(dataclasses.replace(savings, edits=wide), tmp_path / "table.json")
    progress = listens()
    plan(ask(tmp_path / "s", table=tmp_path / "table.json", speedups=(1.1,)), progress)
    assert any("times are known to 6.0 % only, so" in line for line in progress.lines)


def test_the_command_plans_finds_and_names_the_next_one(searched, parent, table, capsys):
    out = searched[0]
    arguments = ["optimize", str(parent), "--out", str(out), "--table", str(table)]
    arguments += ["--other-machine", "--speedup", "1.2", "--speedup", "2", "--epochs", "1"]
    assert _run([*arguments, "--plan"]) == 0
    shown = capsys.readouterr()
    assert "x1.20: predicted 0." in shown.out
    assert "next: the same command without --plan" in shown.err
    assert _run([*arguments, "--max-drop", "100"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("mobilenet_v3_small, onnxruntime-fp32, 1 thread, Another Proc")
    assert "take x2.00: the quickest that lost at most 100 pp" in shown.out
    assert f"next: edgecat export {out / 'x2.00'} --out x2.00.edgecat --int8" in shown.err
    assert _run([*arguments, "--json", "-"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)["rows"]} > {"x1.20"}


def test_options_that_contradict_are_refused(parent, tmp_path, capsys):
    options = ["--speedup", "2", "--target-latency-ms", "1"]
    assert _run(["optimize", str(parent), "--out", str(tmp_path / "s"), *options]) == 2
    assert "one of the two is enough" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
