"""The end of a search: networks in every precision and engine, in one front."""

import dataclasses
import itertools
import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from safetensors.torch import load_file, save_file  # noqa: E402

from edgecat.bundle.store import load_bundle  # noqa: E402
from edgecat.cli.main import _run  # noqa: E402
from edgecat.errors import ConfigError  # noqa: E402
from edgecat.export.job import export_run  # noqa: E402
from edgecat.export.maker import list_products  # noqa: E402
from edgecat.optimize.found import load_variants  # noqa: E402
from edgecat.optimize.job import FRONT, PARENT, PICTURE, SAVINGS, VARIANTS, SearchJob  # noqa: E402
from edgecat.optimize.kept import load_kept, save_kept  # noqa: E402
from edgecat.optimize.savings import Savings, _describe_setting  # noqa: E402
from edgecat.optimize.search import optimize  # noqa: E402
from edgecat.optimize.variants import export_front, measure_variants  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains and exports

NAME, OUTPUT = "x1.20", "network.classifier.3.weight"

# Proven equal to the checkpoint; every machine computes them.
EXACT = [p.variant.name for p in list_products() if p.precision.made == "exact"]


@pytest.fixture(scope="module")
def job(parent, table, tmp_path_factory):
    """A job of a search by a table of this machine; its exports are float ones, made before."""
    folder = tmp_path_factory.mktemp("variants")
    savings = load_kept(Savings, table)
    here = _describe_setting(savings.variant)
    save_kept(
        dataclasses.replace(savings, cpu=here.pop("cpu"), versions=here), folder / "table.json"
    )
    made = SearchJob(
        parent, folder / "search", speedups=(1.2,), epochs=1, table=folder / "table.json",
        max_drop_pp=100.0, rounds=20,
    )  # fmt: skip
    optimize(made)
    for name in (PARENT, NAME):
        export_run(made.run_of(name), made.bundle_of(name))
    return dataclasses.replace(made, exports=True)


@pytest.fixture(scope="module")
def front(job):
    """What the search found."""
    return optimize(job)


def test_each_variant_of_each_network_is_a_row_of_one_front(job, front):
    variants = {
        (name, variant.name)
        for name in (PARENT, NAME)
        for variant in load_bundle(job.bundle_of(name)).spec.variants
    }
    assert {(row.name, row.variant) for row in front.rows} <= variants
    exact = {(name, variant) for name in (PARENT, NAME) for variant in EXACT}
    assert {(row.name, row.variant) for row in front.rows} >= exact
    assert [row.latency_ratio for row in front.rows] == sorted(r.latency_ratio for r in front.rows)
    best = [row for row in front.rows if row.is_on_front]
    assert all(a.change.top1_ratio < b.change.top1_ratio for a, b in itertools.pairwise(best))


def test_accuracy_is_that_of_the_exported_models_against_the_network_as_it_is(front):
    by_name = {(row.name, row.variant): row for row in front.rows}
    plain = by_name[PARENT, front.variant]
    assert plain.latency_ratio == 1
    assert plain.change.agreement_ratio == 1
    assert plain.change.num_lost == 0
    lean = [by_name[NAME, variant].change for variant in EXACT]
    assert len({change.top1_ratio for change in lean}) == 1
    assert {change.reference_top1_ratio for change in lean} == {plain.change.top1_ratio}


def test_recommended_is_the_quickest_of_all_that_lose_little_but_never_what_there_was(job, front):
    assert front.recommended == next((r for r in front.rows if r.latency_ratio < 1), None)
    kept = json.loads((job.out / FRONT).read_text())["rows"]
    assert [row["is_recommended"] for row in kept].count(True) <= 1
    if front.recommended is not None:  # on a machine that is too busy to tell, nothing is quicker
        assert f">{front.title(front.recommended)}<" in (job.out / PICTURE).read_text()


def test_what_was_exported_and_measured_is_kept(job, front, monkeypatch):
    monkeypatch.setattr("edgecat.optimize.variants.export_run", None)
    monkeypatch.setattr("edgecat.optimize.variants.time_in_groups", None)
    assert optimize(job) == front


def test_an_export_that_was_not_measured_yet_is_measured_and_the_others_are_not(job, front):
    before = load_variants(job).networks
    save_kept(type(load_variants(job))({PARENT: before[PARENT]}), job.out / VARIANTS)
    optimize(job)
    after = load_variants(job).networks
    assert after[PARENT] == before[PARENT]
    assert after[NAME].keys() == before[NAME].keys()


def test_what_was_measured_of_the_network_as_it_is_stands_in_the_front(job, front):
    kept = load_variants(job)
    own = kept.networks[PARENT]
    lost = dataclasses.replace(own[front.variant].change, num_lost=3, agreement_ratio=0.5)
    changed = own | {front.variant: dataclasses.replace(own[front.variant], change=lost)}
    save_kept(type(kept)(kept.networks | {PARENT: changed}), job.out / VARIANTS)
    try:
        rows = {(row.name, row.variant): row for row in optimize(job).rows}
    finally:
        save_kept(kept, job.out / VARIANTS)
    itself = rows[PARENT, front.variant]
    assert (itself.latency_ratio, itself.change) == (1, lost)


def test_an_export_that_failed_is_not_tried_again(job, front, photos, tmp_path, listens):
    mine = dataclasses.replace(job, out=shutil.copytree(job.out, tmp_path / "search"))
    shutil.rmtree(mine.bundle_of(NAME))
    weights = mine.run_of(NAME) / "model.safetensors"
    tensors = load_file(weights)
    tensors[OUTPUT] = tensors[OUTPUT] / tensors[OUTPUT].abs().max() * 3e38  # answers overflow
    save_file(tensors, weights)
    rows = tuple(dataclasses.replace(row, is_on_front=True) for row in front.rows)
    found, first, second = dataclasses.replace(front, rows=rows), listens(), listens()
    assert export_front(mine, found, photos, first) == (PARENT,)
    assert export_front(mine, found, photos, second) == (PARENT,)
    assert f"{NAME} is exported, with int8: some minutes" in first.lines
    [told] = second.lines
    assert told.startswith(f"{NAME} has no export: ")
    assert told.endswith(f"; to try again, remove {mine.out / NAME}.failed")
    assert told in first.lines


def test_another_machine_leaves_the_clock_to_the_first_one(job, front, listens, monkeypatch):
    def elsewhere(self):
        raise ConfigError("measured with cpu A, but here it is B")

    monkeypatch.setattr("edgecat.optimize.savings.Savings.check_here", elsewhere)
    progress = listens()
    (job.out / VARIANTS).rename(job.out / "aside.json")
    try:
        found = optimize(job, progress)
    finally:
        (job.out / "aside.json").rename(job.out / VARIANTS)
    assert not found.has_variants
    assert any("timed where edits were: measured with cpu A, but here" in s for s in progress.lines)


def test_a_search_in_a_variant_that_the_export_lacks_times_none_and_says_so(job, front, listens):
    table = load_kept(Savings, job.out / SAVINGS)
    progress = listens()
    measure_variants(
        job, dataclasses.replace(table, variant="onnxruntime-int8"), None, (PARENT,), progress
    )
    [told] = progress.lines
    assert told.startswith("no variant is timed: edits were in onnxruntime-int8, which the export")


def test_variants_of_another_machine_cannot_be_timed_here(parent, table, tmp_path, capsys):
    options = ["--table", str(table), "--other-machine", "--export"]
    assert _run(["optimize", str(parent), "--out", str(tmp_path / "s"), *options]) == 2
    assert "--export with --other-machine: variants are timed here, " in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
