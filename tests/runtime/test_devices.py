"""Devices beside the CPU: what is there, what is not, and that it answers as where it was exported.

AUTO and HETERO compute on the CPU where there is nothing else, by the same way as on a GPU.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")

import onnx
from PIL import Image

from edgecat.bench.effort import Effort
from edgecat.bench.run import run_benchmark
from edgecat.bundle.golden import GOLDEN_FILE, Golden
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.errors import ConfigError, EngineError, SelfTestError
from edgecat.export.golden import build_golden
from edgecat.graph.to_openvino import export_openvino
from edgecat.machine.cores import count_threads
from edgecat.photos.input import IMAGENET
from edgecat.runtime import openvino_cache, openvino_devices
from edgecat.runtime.choice import open_choice, open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import find_tolerance
from edgecat.runtime.openvino_cache import prepare_cache
from edgecat.runtime.openvino_devices import find_devices, find_floats
from edgecat.runtime.precision import BF16, FP16, FP32, INT8, INT8_BF16
from edgecat.runtime.tuned import keep_tuning

ORT, OPENVINO = "onnxruntime-fp32", "openvino-fp32"
VARIANTS = (Variant(ORT, ("model.onnx",)), Variant(OPENVINO, ("m.xml", "m.bin")))

# What no machine has: the 78th of its GPUs.
NOT_THERE = "GPU.77"


@pytest.fixture(scope="module")
def files(colour_model):
    graph, weights = export_openvino(onnx.load_from_string(colour_model))
    return {"model.onnx": colour_model, "m.xml": graph, "m.bin": weights}


@pytest.fixture
def make_golden_bundle(make_bundle, files):
    """A function that makes a bundle whose golden answers are so far off."""

    def make(gap=0.0, name="bundle"):
        plain = load_bundle(make_bundle(files=files, variants=VARIANTS, name=f"plain-{name}"))
        golden = build_golden([open_engine(plain, v.name, 1) for v in VARIANTS], IMAGENET)
        photos = (
            dataclasses.replace(
                photo, logits={n: tuple(x + gap for x in xs) for n, xs in photo.logits.items()}
            )
            for photo in golden.photos
        )
        more = {GOLDEN_FILE: Golden(tuple(photos)).to_json().encode()}
        return load_bundle(make_bundle(files=files | more, variants=VARIANTS, name=name))

    return make


@pytest.fixture
def bundle(make_golden_bundle):
    return make_golden_bundle()


def photos(num):
    return np.random.default_rng(0).integers(0, 256, (num, 224, 224, 3), dtype=np.uint8)


@pytest.mark.parametrize("device", ["CPU", "AUTO", "auto:cpu", "HETERO:CPU"])
def test_the_same_answers_come_from_whatever_deals_the_model_out(bundle, device):
    engine, choice = open_choice(bundle, OPENVINO, 1, device=device)
    assert (choice.device, choice.origin) == (device.upper(), "asked")
    expected = open_engine(bundle, ORT, 1).run(photos(3))
    assert np.abs(engine.run(photos(3)) - expected).max() < 1e-2
    assert np.abs(engine.run(photos(1)) - expected[:1]).max() < 1e-2
    found = engine.describe()
    assert found["effective_precision"] in ("fp32", "")  # nothing multiplies in this model
    assert found.get("device", "CPU") == "CPU"


def test_an_open_classifier_says_on_what_and_in_what_it_computes(bundle):
    with Classifier.open(bundle.path, device="AUTO") as classifier:
        assert classifier.variant == OPENVINO  # the only one whose engine has devices
        assert classifier.choice.describe().startswith("openvino-fp32 on AUTO with ")
        assert classifier.precision == "fp32"
    with Classifier.open(bundle.path, OPENVINO) as classifier:
        assert (classifier.choice.device, classifier.precision) == ("CPU", None)


@pytest.mark.parametrize(
    "device", ["XPU", "HETERO", "AUTO:XPU", "GPU.123", "", "GPU,CPU", "AUTO:", "A\nB"]
)
def test_an_unknown_device_is_refused_with_those_that_are_accepted(bundle, device):
    with pytest.raises(ConfigError, match=r"accepted are such as CPU, GPU, GPU\.1, NPU, AUTO"):
        open_engine(bundle, OPENVINO, 1, device=device)


@pytest.mark.parametrize("device", [NOT_THERE, f"AUTO:{NOT_THERE},CPU", f"HETERO:CPU,{NOT_THERE}"])
@pytest.mark.parametrize("variant", [OPENVINO, None])
def test_a_device_that_is_not_there_is_told_with_those_that_are_and_its_driver(
    bundle, device, variant
):
    with pytest.raises(EngineError) as raised:
        open_engine(bundle, variant, 1, device=device)
    for part in (f"finds no {NOT_THERE} here, only CPU", "apt install intel-opencl-icd", "render"):
        assert part in str(raised.value)


def test_a_device_for_an_engine_without_any_is_refused(bundle):
    with pytest.raises(
        EngineError, match=r"onnxruntime-fp32: computes on the CPU only; .*OpenVINO"
    ):
        open_engine(bundle, ORT, 1, device="AUTO")


def test_another_device_has_to_answer_as_the_machine_that_exported(make_golden_bundle):
    wrong = make_golden_bundle(gap=1.0)
    open_engine(wrong, OPENVINO, 1)
    with pytest.raises(SelfTestError, match="logits of openvino-fp32 on AUTO are up to 1 from"):
        open_engine(wrong, OPENVINO, 1, device="AUTO")
    with pytest.raises(EngineError, match="logits of openvino-fp32 on AUTO"):
        open_engine(wrong, None, 1, device="AUTO")


def test_the_devices_that_are_there_have_names():
    found = find_devices()
    assert found["CPU"]
    assert NOT_THERE not in found


class Core:
    """What a CPU with bf16, an NPU and a GPU say that they compute in."""

    available_devices = ("CPU", "GPU", "NPU")

    def get_property(self, device, name):
        return {"CPU": ["FP32", "BF16", "INT8"], "GPU": ["FP32", "FP16", "INT8"]}.get(
            device, ["FP16", "INT8"]
        )


@pytest.mark.parametrize(
    ("precision", "device", "floats"),
    [
        (FP32, "CPU", FP32), (BF16, "CPU", BF16), (INT8, "CPU", FP32), (INT8_BF16, "CPU", BF16),
        (FP32, "GPU", FP32), (INT8, "HETERO:GPU,CPU", FP32), (BF16, "GPU", None),
        (FP32, "NPU", FP16), (INT8, "NPU", FP16), (INT8_BF16, "NPU", None),
        (FP32, "HETERO:NPU,GPU", FP16), (FP32, "AUTO:NPU,CPU", None), (FP32, "AUTO", None),
    ],
)  # fmt: skip
def test_a_device_without_fp32_computes_in_fp16_and_one_without_bf16_is_refused(
    monkeypatch, precision, device, floats
):
    monkeypatch.setattr(openvino_devices, "open_core", Core)
    if floats is None:
        with pytest.raises(EngineError, match=r"arithmetic; choose another"):
            find_floats(precision, device)
        return
    assert find_floats(precision, device) is floats
    variant = Variant(f"openvino-{precision.name}", ("m",))
    assert find_tolerance(variant, device) == max(precision.logit_tolerance, floats.logit_tolerance)


def blobs():
    return sorted(prepare_cache().glob("*.blob"))


def test_a_compiled_model_is_kept_and_may_be_damaged_or_deleted(bundle):
    open_engine(bundle, OPENVINO, 1)
    assert blobs() == []  # the CPU compiles in a moment
    expected = open_engine(bundle, OPENVINO, 1, device="AUTO").run(photos(1))
    (kept,) = blobs()
    for damage in (None, b"", kept.read_bytes()[:100], os.urandom(1000)):
        kept.chmod(0o600)
        kept.unlink() if damage is None else kept.write_bytes(damage)
        again = open_engine(bundle, OPENVINO, 1, device="AUTO").run(photos(1))
        assert np.array_equal(again, expected)


def test_the_folder_of_compiled_models_keeps_the_newest_within_its_size(monkeypatch):
    folder = prepare_cache()
    for number in range(5):
        (folder / f"{number}.blob").write_bytes(bytes(100))
        os.utime(folder / f"{number}.blob", (number, number))
    monkeypatch.setattr(openvino_cache, "MAX_BYTES", 250)
    assert sorted(file.name for file in prepare_cache().glob("*.blob")) == ["3.blob", "4.blob"]


@pytest.mark.parametrize("spoil", ["others may write", "a link", "a file"])
def test_where_others_may_write_nothing_is_kept(bundle, spoil, tmp_path):
    folder = prepare_cache()
    if spoil == "others may write":
        folder.chmod(0o777)
    else:
        folder.rmdir()
        folder.symlink_to(tmp_path) if spoil == "a link" else folder.write_bytes(b"")
    assert prepare_cache() is None
    assert open_engine(bundle, OPENVINO, 1, device="AUTO").run(photos(1)).shape == (1, 3)


@pytest.mark.slow
def test_a_benchmark_on_a_device_has_only_the_variants_that_run_on_it(bundle):
    report = run_benchmark(bundle.path, resources=Resources(1, device="AUTO"), effort=Effort(5))
    (row,) = report.rows
    assert (row.variant, row.device, row.precision) == (OPENVINO, "CPU", "fp32")
    assert report.settings["device"] == "AUTO"
    assert "computes on the CPU only" in report.skipped[ORT]


DOCTOR = """
from edgecat.doctor.checks.devices import check_devices
from edgecat.doctor.machine import read_machine

for finding in check_devices(read_machine()):
    print(finding.describe())
"""


def run_edgecat(*arguments, code=0):
    """Run a command in a process of its own: this one has threads, of which copies die."""
    done = subprocess.run(
        [sys.executable, "-m", "edgecat", *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


@pytest.mark.slow
def test_tuning_measures_on_a_device_but_chooses_it_only_if_photos_prove_it(bundle, tmp_path):
    tuning = json.loads(
        run_edgecat("tune", bundle.path, "--device", "auto", "--seconds", 2, "--json")
    )
    timings = {(timing["variant"], timing["device"]): timing for timing in tuning["timings"]}
    assert timings.keys() == {(ORT, "CPU"), (OPENVINO, "CPU"), (OPENVINO, "AUTO")}
    assert "prove it with --data" in timings[OPENVINO, "AUTO"]["unfit"]
    assert tuning["device"] == "CPU"
    for label, colour in {"red": (250, 9, 9), "green": (9, 250, 9), "blue": (9, 9, 250)}.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        Image.new("RGB", (64, 64), colour).save(tmp_path / "data" / label / "0.png")
    proven = json.loads(
        run_edgecat(
            "tune", bundle.path, "--device", "AUTO", "--seconds", 2, "--json",
            "--data", tmp_path / "data",
        )
    )  # fmt: skip
    assert proven["accuracies"]["openvino-fp32 on AUTO"]["drop_pp"] == 0
    assert {timing["unfit"] for timing in proven["timings"]} == {""}


@pytest.mark.slow
def test_a_device_that_is_not_there_ends_each_command_with_the_same_words(bundle, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    for command in (
        ("predict", bundle.path, tmp_path / "a.png"),
        ("benchmark", bundle.path),
        ("tune", bundle.path),
        ("serve", bundle.path, "--port", 0),
        ("watch", bundle.path, tmp_path, "--out", tmp_path / "out.jsonl"),
    ):
        told = run_edgecat(*command, "--device", NOT_THERE, code=EngineError.exit_code)
        assert told.splitlines()[-1].startswith(f"error: --device {NOT_THERE}: OpenVINO finds no")


@pytest.mark.slow
def test_doctor_lists_the_devices_of_an_engine_that_is_installed():
    lines = subprocess.run(
        [sys.executable, "-c", DOCTOR], capture_output=True, text=True, check=True
    ).stdout
    assert re.match("ok +devices of openvino +CPU [(].+[)]", lines)


def test_what_was_measured_on_a_device_is_opened_on_it_unless_another_one_is_asked_for(
    bundle, make_tuning
):
    timings = (ORT, 1, 1.0), (OPENVINO, 1, 0.9), (OPENVINO, 1, 0.3, "", "AUTO")
    keep_tuning(bundle, make_tuning(bundle, *timings))
    _, choice = open_choice(bundle)
    assert (choice.variant, choice.device, choice.origin) == (OPENVINO, "AUTO", "measured")
    _, choice = open_choice(bundle, device="CPU")
    assert (choice.variant, choice.device, choice.origin) == (OPENVINO, "CPU", "measured")
    _, choice = open_choice(bundle, device="HETERO:CPU")
    assert (choice.device, choice.origin) == ("HETERO:CPU", "rule")
    assert choice.threads == count_threads()


def test_where_a_measured_device_is_gone_the_rule_decides(bundle, make_tuning):
    keep_tuning(bundle, make_tuning(bundle, (ORT, 1, 1.0), (OPENVINO, 1, 0.3, "", NOT_THERE)))
    _, choice = open_choice(bundle)
    assert (choice.device, choice.origin) == ("CPU", "rule")
