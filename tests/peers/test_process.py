"""A peer's model in a process of its own: made, answered, timed, and ended."""

import contextlib
import json
import os
import signal
import sys

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx (edgecat[train])")

import onnx

from benchmarks.peers import environments
from benchmarks.peers.environments import REQUIREMENTS, open_environment
from benchmarks.peers.material import Material
from benchmarks.peers.measure import measure_answers, measure_speed, open_field
from benchmarks.peers.peer import UnavailableError, list_peers
from benchmarks.peers.process import Entrant
from edgecat.bench.openings import NUM_OPENINGS

pytestmark = pytest.mark.slow

SIDE_PX, NUM_PHOTOS = 8, 6


@pytest.fixture
def material(tmp_path):
    """Photos of one colour each, and a graph that tells which: their mean, channel by channel."""
    folder = tmp_path / "material"
    folder.mkdir()
    photos = np.zeros((NUM_PHOTOS, SIDE_PX, SIDE_PX, 3), np.uint8)
    targets = np.arange(NUM_PHOTOS) % 3
    photos[np.arange(NUM_PHOTOS), :, :, targets] = 200
    for name in ("photos", "calibration"):
        np.save(folder / f"{name}.npy", photos)
    np.save(folder / "targets.npy", targets)
    np.save(folder / "logits.npy", np.eye(3, dtype=np.float32)[targets])
    facts = {"side_px": SIDE_PX, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (folder / "facts.json").write_text(json.dumps(facts))
    onnx.save(make_graph(), folder / "float.onnx")
    return Material(folder)


def make_graph():
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        onnx.helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    image, logits = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("image", [1, 3, SIDE_PX, SIDE_PX]), ("logits", [1, 3]))
    )
    graph = onnx.helper.make_graph(nodes, "colours", [image], [logits])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)])


@pytest.fixture
def entrant(material, tmp_path):
    """ONNX Runtime as it comes, whose environment is this one."""
    folder = tmp_path / "environments/onnxruntime"
    python = folder / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (folder / "requirements.txt").write_text((REQUIREMENTS / "onnxruntime.txt").read_text())
    name = "onnxruntime/default"
    one = Entrant(name, list_peers()[name], material, tmp_path)
    one.make()
    return one


def test_a_peer_answers_every_photo(entrant):
    row = measure_answers(entrant)
    assert row["right"] == "1" * NUM_PHOTOS
    assert row["agreement_ratio"] == row["top1_ratio"] == 1
    assert row["size_bytes"] == (entrant.made / "model.onnx").stat().st_size
    assert row["versions"]["onnxruntime"]
    assert row["cold_start_ms"] > 0 and row["peak_rss_bytes"] > 0


def test_two_processes_of_the_same_model_take_turns(entrant):
    with open_field([entrant], threads=1) as field:
        speed = measure_speed(field, entrant)
    assert speed["ratio"] == 1  # it is the reference itself
    assert speed["num_openings"] == NUM_OPENINGS
    assert speed["latency_ms"]["p50"] <= speed["latency_ms"]["p99"]


def test_a_process_that_is_killed_says_by_which_signal(entrant):
    with contextlib.closing(entrant.start(1)) as process:
        process.call("measure_ms")
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(UnavailableError, match="ended by signal 9"):
            process.call("measure_ms")


def test_a_model_that_does_not_open_is_a_reason(entrant):
    (entrant.made / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UnavailableError, match="INVALID_PROTOBUF"):
        measure_answers(entrant)


def test_a_library_that_is_not_on_the_index_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    (tmp_path / "gone.txt").write_text(f"{tmp_path}/gone-1.0-py3-none-any.whl\n")
    with pytest.raises(UnavailableError, match=r"pip: ERROR: .*gone-1\.0"):
        open_environment("gone", tmp_path / "work")
