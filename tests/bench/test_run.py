import contextlib
import hashlib
import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import edgecat.bench.cold_starts
from edgecat.bench.effort import Effort
from edgecat.bench.openings import NUM_OPENINGS
from edgecat.bench.report import format_report
from edgecat.bench.run import open_all, run_benchmark
from edgecat.bundle.manifest import Variant
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, PhotoRecord
from edgecat.bundle.store import load_bundle, released_names
from edgecat.errors import BundleError, ConfigError, EngineError
from edgecat.progress import Silent
from edgecat.runtime.device import Resources

INT8 = "onnxruntime-int8"


@pytest.fixture
def colours(make_bundle, colour_model):
    return make_bundle(files={"model.onnx": colour_model})


@pytest.mark.slow
def test_a_cold_start_reports_its_own_memory_not_its_parents(tmp_path):
    if "cats12" not in released_names():
        pytest.skip("needs edgecat/assets/cats12, not released yet")
    ballast = np.ones(300 * 2**20, np.uint8)  # in memory, not only promised
    done = subprocess.run(
        [sys.executable, "-m", "edgecat.bench.cold", "cats12", "onnxruntime-fp32", "1", "CPU"],
        capture_output=True,
        text=True,
        check=True,
    )
    peak_bytes = json.loads(done.stdout)["peak_rss_bytes"]
    assert peak_bytes < ballast.nbytes
    # An interpreter with numpy and ONNX Runtime is never smaller than this.
    assert peak_bytes > 20 * 2**20


@pytest.mark.slow
def test_the_end_of_a_process_is_no_part_of_its_cold_start(colours, tmp_path, monkeypatch):
    end_s = 3
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"import atexit, time\natexit.register(time.sleep, {end_s})\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(edgecat.bench.cold_starts, "NUM_COLD_STARTS", 1)
    started_s = time.perf_counter()
    cold = edgecat.bench.cold_starts.measure_cold(
        load_bundle(colours), ["onnxruntime-fp32"], Resources(1), Silent()
    )["onnxruntime-fp32"]
    assert 0 < cold.start_ms <= 1e3 * (time.perf_counter() - started_s - end_s)


@pytest.mark.slow
def test_a_cold_start_imports_nothing_of_the_current_folder(colours, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('whoever may write there is run')\n")
    monkeypatch.chdir(tmp_path)
    edgecat.bench.cold_starts.measure_cold(
        load_bundle(colours), ["onnxruntime-fp32"], Resources(1), Silent()
    )


@pytest.mark.slow
def test_what_a_library_prints_is_not_taken_for_the_answer(colours, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("print('[INFO] loaded')\n")
    monkeypatch.syspath_prepend(tmp_path)
    measured = edgecat.bench.cold_starts.measure_cold(
        load_bundle(colours), ["onnxruntime-fp32"], Resources(1), Silent()
    )
    assert measured["onnxruntime-fp32"].peak_rss_bytes > 0


@pytest.mark.slow
def test_a_cold_start_that_is_killed_is_told_with_how_it_ended(colours, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match="fp32: a fresh process failed: exit code -9"):
        edgecat.bench.cold_starts.measure_cold(
            load_bundle(colours), ["onnxruntime-fp32"], Resources(1), Silent()
        )


@pytest.mark.slow
def test_a_cold_start_that_fails_is_told_with_its_reason(make_bundle):
    bundle = load_bundle(make_bundle())
    with pytest.raises(EngineError, match=r"(?s)fp32: a fresh process failed.*refuses the model"):
        edgecat.bench.cold_starts.measure_cold(bundle, ["onnxruntime-fp32"], Resources(1), Silent())


class Phases(Silent):
    def __init__(self):
        self.names = []

    def phase(self, name, num_steps):
        self.names.append(name)
        return super().phase(name, num_steps)


@pytest.mark.slow
def test_where_no_process_can_be_started_no_minutes_are_spent_before(
    colours, tmp_path, monkeypatch
):
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('killed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    progress = Phases()
    with pytest.raises(EngineError, match=r"(?s)a fresh process failed: .*killed"):
        run_benchmark(colours, effort=Effort(1), progress=progress)
    assert progress.names[-1] == "cold starts"
    assert "batch 1" not in progress.names  # as long as --margin and --seconds ask for


@pytest.mark.slow
def test_a_benchmark_measures_every_variant(colours):
    report = run_benchmark(colours, effort=Effort(5))
    (row,) = report.rows
    assert (row.variant, row.threads, row.precision) == ("onnxruntime-fp32", 1, "fp32")
    assert 0 < row.latency_ms["p50"] <= row.latency_ms["p95"] <= row.latency_ms["p99"]
    assert row.throughput_ips > 0
    assert row.cold_start_ms > row.latency_ms["p50"]
    assert row.size_bytes == (colours / "model.onnx").stat().st_size
    assert row.ratio_to_fp32 is row.top1_ratio is None
    assert report.settings["order"] == "interleaved"
    assert report.settings["num_rounds"] == report.settings["num_openings"] == NUM_OPENINGS
    json.dumps(report.to_dict())


@pytest.mark.parametrize("num_asked", [30, 10_000])
def test_an_end_that_is_asked_for_keeps_what_was_measured_and_marks_it(colours, num_asked):
    asked = itertools.chain([False] * num_asked, itertools.repeat(True))
    stopping = contextlib.nullcontext(lambda: next(asked))
    report = run_benchmark(colours, effort=Effort(12), stopping=stopping)
    is_partial = num_asked == 30
    assert report.is_partial == is_partial
    assert (report.settings["num_openings"] < NUM_OPENINGS) == is_partial
    assert (report.noise.verdict == "too noisy") >= is_partial
    assert format_report(report).splitlines()[-1].startswith("PARTIAL: ") == is_partial


def test_an_end_before_anything_was_measured_leaves_nothing(colours):
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(colours, stopping=contextlib.nullcontext(lambda: True))


def test_a_variant_that_does_not_open_is_told_once_by_its_name(make_bundle, colour_model):
    variants = (Variant("onnxruntime-fp32", ("model.onnx",)), Variant(INT8, ("int8.onnx",)))
    files = {"model.onnx": colour_model, "int8.onnx": b"no model"}
    bundle = load_bundle(make_bundle(files=files, variants=variants))
    with open_all(bundle, Resources(1)) as (engines, skipped):
        assert [*engines] == ["onnxruntime-fp32"]
        assert skipped[INT8].startswith("ONNX Runtime ")


def test_where_none_opens_each_is_told_by_its_name(make_bundle):
    bundle = load_bundle(make_bundle())
    told = pytest.raises(EngineError, match=r"^onnxruntime-fp32: ONNX Runtime refuses the model")
    with told, open_all(bundle, Resources(1)):
        pass


@pytest.mark.parametrize("threads", [0, -1])
def test_less_than_one_thread_is_refused(colours, threads):
    with pytest.raises(ConfigError):
        run_benchmark(colours, resources=Resources(threads))


@pytest.mark.parametrize("num_rounds", [0, -1])
def test_less_than_one_round_is_refused(colours, num_rounds):
    with pytest.raises(ConfigError):
        run_benchmark(colours, effort=Effort(num_rounds))


def test_a_bundle_of_which_nothing_runs_is_an_error(make_bundle):
    with pytest.raises(EngineError, match="refuses"):
        run_benchmark(make_bundle())


def test_no_bundle_is_an_error(tmp_path):
    with pytest.raises(BundleError):
        run_benchmark(tmp_path)


@pytest.mark.slow
def test_accuracy_on_photos_that_the_model_was_trained_on_is_told_as_such(
    make_bundle, colour_model, tmp_path
):
    seen = []
    for label, colour in {"red": (250, 9, 9), "green": (9, 250, 9)}.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (64, 64), colour).save(tmp_path / "photos" / label / "1.png")
        seen.append(
            hashlib.sha256((tmp_path / "photos" / label / "1.png").read_bytes()).hexdigest()
        )
    record = PhotoRecord(train=tuple(digits[:16] for digits in seen))
    files = {"model.onnx": colour_model, PHOTO_RECORD_FILE: record.to_json().encode()}
    report = run_benchmark(make_bundle(files=files), data=tmp_path / "photos", effort=Effort(1))
    assert report.rows[0].top1_ratio == 1
    assert any("was trained on 2 of these photos" in note for note in report.notes)
