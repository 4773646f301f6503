"""What all tests share: drawn photos, tiny bundles, the real photos where they are."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecat.bundle.manifest import FileRecord, ModelSpec, Variant
from edgecat.bundle.store import write_manifest
from edgecat.machine.conditions import read_conditions
from edgecat.machine.noise import Noise
from edgecat.runtime.tuning import Timing, Tuning, describe_setting, find_fastest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

_skipped_for_shared = []

# A shell ignores Ctrl-C for what it starts in the background, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def state(tmp_path_factory, monkeypatch):
    """Where this test's device remembers what it has learned, and keeps what it can make again."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    for name in ("STATE_DIRECTORY", "CACHE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return folder / "edgecat"


@pytest.fixture
def shared():
    """The folder of real photos beside the project's root."""
    if not (SHARED / "cats").is_dir():
        pytest.skip("needs ../shared (real photos)")
    return SHARED


@pytest.fixture
def draw_photos(tmp_path):
    """A function that makes a folder of labelled, all different, small random pictures."""

    def draw(num_classes=2, num_per_class=5, seed=0, name="photos"):
        rng = np.random.default_rng(seed)
        for number in range(num_classes):
            folder = tmp_path / name / f"class_{number}"
            folder.mkdir(parents=True)
            for photo in range(num_per_class):
                draw_picture(rng).save(folder / f"{photo}.jpg")
        return tmp_path / name

    return draw


def draw_picture(rng, size=(96, 72)):
    """Soft random blotches: any two differ in about half of a fingerprint's bits."""
    blotches = rng.integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def make_bundle(tmp_path):
    """A function that writes a bundle, as `write_bundle`, into the test's own folder."""
    return partial(write_bundle, tmp_path)


def write_bundle(parent, labels=("red", "green", "blue"), files=None, name="bundle", **spec):
    """Write a bundle of the given files and one ONNX Runtime variant."""
    folder = parent / name
    folder.mkdir()
    files = {"model.onnx": b"no model"} | (files or {})
    for file, data in files.items():
        (folder / file).write_bytes(data)
    records = {file: FileRecord.of(data) for file, data in files.items()}
    variants = (Variant("onnxruntime-fp32", ("model.onnx",)),)
    values = {"arch": "mobilenet_v3_small", "variants": variants} | spec
    write_manifest(folder, ModelSpec(name=name, labels=labels, files=records, **values))
    return folder


@pytest.fixture
def make_timing():
    """A function that makes what was measured of a variant with a number of threads."""
    return build_timing


def build_timing(variant, threads, ratio, unfit="", device="CPU"):
    latency_ms = {"p50": 2 * ratio, "p95": 3 * ratio, "p99": 4 * ratio}
    interval = (0.99 * ratio, 1.01 * ratio)
    return Timing(variant, threads, "fp32", latency_ms, ratio, interval, 20, 100, unfit, device)


@pytest.fixture
def make_tuning():
    """A function that makes a tuning of a bundle; timings as for `build_timing`."""

    def make(bundle, *timings, **changes):
        rows = [build_timing(*timing) for timing in timings]
        best, now = find_fastest(rows), read_conditions()
        values = {
            "variant": best.variant,
            "threads": best.threads,
            "device": best.device,
            "setting": describe_setting(bundle),
            "reference": "onnxruntime-fp32 with 1 thread",
            "date": "2026-11-28T10:20:30Z",
            "is_partial": False,
            "timings": tuple(rows),
            "before": now,
            "after": now,
            "noise": Noise("quiet", 0.01),
        }
        return Tuning(**values | changes)

    return make


@pytest.fixture
def largest_file():
    """A block in which no file of this process grows past a size: EFBIG, as of a full disk."""

    @contextlib.contextmanager
    def limit(size_bytes):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.fixture(scope="module")
def one_thread():
    """Two OpenMP threads on a busy machine wait for each other in a loop: ten times the time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def colour_model():
    """A real, tiny ONNX model: its three logits are the mean red, green and blue, 0-255."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    return build_colour_model(onnx, side_px=224)


def build_colour_model(onnx, side_px):
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=kinds.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["logits"], axes=[1, 2], keepdims=0),
        ],
        "colours",
        [helper.make_tensor_value_info("pixels", kinds.UINT8, ["N", side_px, side_px, 3])],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, ["N", 3])],
    )
    # Old numbers on purpose: every ONNX Runtime that edgecat accepts reads them.
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()


@pytest.fixture(scope="session")
def patch_model():
    """A real, tiny ONNX model with a map of 7 x 7 mean colours, and a head of two layers on it."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    helper, kinds = onnx.helper, onnx.TensorProto
    rng = np.random.default_rng(0)
    weights = {
        "first.weight": np.vstack([np.eye(3), np.full((2, 3), -0.5)]) / 16,
        "first.bias": rng.normal(0, 0.1, 5),
        "last.weight": np.hstack([np.eye(3), rng.normal(0, 0.1, (3, 2))]),
        "last.bias": rng.normal(0, 0.1, 3),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["floats"], to=kinds.FLOAT),
            helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node(
                "AveragePool", ["planes"], ["patches"], kernel_shape=[32, 32], strides=[32, 32]
            ),
            helper.make_node("GlobalAveragePool", ["patches"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["features"]),
            helper.make_node("Gemm", ["features", "first.weight", "first.bias"], ["a"], transB=1),
            helper.make_node("HardSwish", ["a"], ["b"]),
            helper.make_node("Gemm", ["b", "last.weight", "last.bias"], ["logits"], transB=1),
        ],
        "patches",
        [helper.make_tensor_value_info("image", kinds.UINT8, ["N", 224, 224, 3])],
        [
            helper.make_tensor_value_info("logits", kinds.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("features", kinds.FLOAT, ["N", 3]),
        ],
        [onnx.numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()


@pytest.fixture(scope="session")
def overflowing_model(colour_model):
    """A model that is infinitely far from an answer where a colour's mean is 200."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    model, node = onnx.load_from_string(colour_model), onnx.helper.make_node
    model.graph.node[-1].output[0] = "means"
    centre = onnx.numpy_helper.from_array(np.full(3, 200, np.float32), "centre")
    model.graph.initializer.append(centre)
    model.graph.node.extend(
        [
            node("Sub", ["means", "centre"], ["differences"]),
            node("Abs", ["differences"], ["distances"]),
            node("Log", ["distances"], ["logits"]),
        ]
    )
    return model.SerializeToString()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this source; pip downloads what builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run([*build, str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What is emulated or installed is slow as well, so that "not slow" is all that is quick."""
    for item in items:
        if item.get_closest_marker("emulated") or item.get_closest_marker("installs"):
            item.add_marker("slow")


def pytest_runtest_logreport(report):
    _note_skip(report)


def pytest_collectreport(report):
    _note_skip(report)


def _note_skip(report):
    if report.skipped and not hasattr(report, "wasxfail") and "../shared" in str(report.longrepr):
        _skipped_for_shared.append(report.nodeid)


def _wrongly_skipped():
    """In CI the real photos are there, so a test that skips for want of them is a hole."""
    return _skipped_for_shared if os.environ.get("CI") and SHARED.exists() else []


def pytest_sessionfinish(session):
    if _wrongly_skipped() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    for test in _wrongly_skipped():
        terminalreporter.write_line(
            f"FAILED {test}: skipped for want of ../shared, which is here", red=True
        )
