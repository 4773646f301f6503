"""A killed export goes on where it stopped, and comes to the same bundle."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")

from safetensors.torch import save_file

from edgecat.bundle.store import load_bundle
from edgecat.photos.drawings import BREEDS, draw_cat
from edgecat.photos.split import Split, SplitPhoto
from edgecat.train import run as runs
from edgecat.train.network import build_network
from edgecat.train.recipe import Recipe
from edgecat.train.run import Outcome, RunRecord
from edgecat.train.unfold import unfold_bundle

pytestmark = pytest.mark.slow  # exports in processes, and kills one

MAIN = "from edgecat.cli.main import main; main()"

# Any loss is within it: each search takes its first recipe, whatever the machine's speed.
SETTINGS = ["--int8", "--search", "quick", "--max-drop", "100"]

# What a clock measured, and what follows from it.
MEASURED = {"latency_ratio", "duration_s", "verdict"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run: the released model's weights, on a few drawings."""
    released = load_bundle("cats12")
    labels = released.spec.labels
    network = build_network(released.spec.arch, len(labels))
    network.network.load_state_dict(unfold_bundle(released, network.network))
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    rng = np.random.default_rng(0)
    photos = []
    for label, breed in zip(labels, itertools.cycle(BREEDS), strict=False):
        (folder / "photos" / label).mkdir(parents=True)
        for number, split in enumerate(["train", "train", "val", "test"]):
            file = folder / "photos" / label / f"{number}.png"
            draw_cat(breed, rng).save(file)
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            photos.append(SplitPhoto(f"{label}/{number}.png", label, sha256, split))
    (folder / runs.SPLIT).write_text(Split(0, 0, tuple(photos)).to_json(), encoding="utf-8")
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / runs.MODEL)
    RunRecord(
        arch=released.spec.arch,
        labels=labels,
        weights="cats12",
        num_loaded=0,
        random=(),
        seed=0,
        recipe=Recipe(),
        data=str(folder / "photos"),
        data_sha256="",
        num_photos={"train": 24, "val": 12, "test": 12},
        device="cpu",
        versions={},
        outcome=Outcome(1, 1.0, 12, 1.0, (0.4, 1.0), 1.0, 1.0),
    ).save(folder)
    return folder


def start_export(run, out):
    command = [sys.executable, "-c", MAIN, "export", str(run), "--out", str(out)]
    return subprocess.Popen(
        [*command, *SETTINGS],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def export(run, out):
    """Return what an export said."""
    process = start_export(run, out)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return said.splitlines()


def kill_when_kept(process, folder, pattern):
    """Kill a process as soon as it has kept a result."""
    while process.poll() is None and not list(folder.glob(pattern)):
        time.sleep(0.02)
    process.kill()
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said


def contents(bundle):
    """Return a bundle's files, its manifest without what was measured by a clock."""

    def strip(value):
        if isinstance(value, dict):
            return {name: strip(item) for name, item in value.items() if name not in MEASURED}
        return [strip(item) for item in value] if isinstance(value, list) else value

    files = {path.name: path.read_bytes() for path in bundle.iterdir()}
    return files | {"bundle.json": strip(json.loads(files["bundle.json"]))}


def test_an_export_killed_in_its_search_goes_on_there_to_the_same_bundle(run, tmp_path):
    out, cache = tmp_path / "b.edgecat", run / "cache"
    kill_when_kept(start_export(run, out), cache, "onnxruntime-int8-*.safetensors")
    assert not out.exists()
    said = export(run, out)
    taken = {line.partition(": taken from")[0] for line in said if ": taken from" in line}
    assert taken == {"ONNX graph", "calibration", "onnxruntime-int8, min-max ranges"}
    assert "export to ONNX" not in said
    assert any(line.startswith("openvino-int8: min-max ranges") for line in said)
    for line in ("onnxruntime-fp32", "openvino-fp32"):
        assert any(said.startswith(f"{line}: answers as the checkpoint") for said in said)

    shutil.rmtree(cache)
    said = export(run, tmp_path / "b" / "b.edgecat")
    assert not [line for line in said if "cache" in line]
    assert contents(out) == contents(tmp_path / "b" / "b.edgecat")
