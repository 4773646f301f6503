"""A bundle on this machine, every variant tried in a copy of the test's process."""

import dataclasses
from pathlib import Path

import pytest

from edgecat.bundle.golden import GOLDEN_FILE, Golden
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.bundle.verdict import Verdict
from edgecat.doctor.examine import examine
from edgecat.doctor.variants import check_bundle
from edgecat.export.golden import build_golden
from edgecat.machine.noise import Noise
from edgecat.photos.input import IMAGENET
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import runs_here
from edgecat.runtime.target import TARGETS
from edgecat.runtime.tuned import keep_tuning

EVERYWHERE = Verdict(TARGETS.names, {}, "arm", 1.0)
ON_ARM = Verdict(("arm",), {"x86-vnni": "slower", "x86-avx2": "slower"}, "arm", 0.5)
FP32 = Variant("onnxruntime-fp32", ("model.onnx",), verdict=EVERYWHERE)
INT8 = Variant("onnxruntime-int8", ("model.onnx",), verdict=ON_ARM)
BROKEN = Variant("openvino-fp32", ("a.xml", "a.bin"), verdict=ON_ARM)


@pytest.fixture
def make_golden_bundle(make_bundle, colour_model):
    """A function that makes a bundle which stores what its model answers."""

    def make(variants=(FP32, INT8), change=lambda photo: photo, files=None):
        files = {"model.onnx": colour_model} | (files or {})
        plain = load_bundle(make_bundle(files=files, variants=variants, name="plain"))
        names = [v.name for v in variants if v.engine == "onnxruntime"]
        golden = build_golden([open_engine(plain, name, 1) for name in names], IMAGENET)
        golden = Golden(tuple(change(photo) for photo in golden.photos))
        files[GOLDEN_FILE] = golden.to_json().encode()
        return make_bundle(files=files, variants=variants, name="golden")

    return make


@dataclasses.dataclass(frozen=True)
class Processor:
    """As much of a machine as decides which variants ship to it, and with how many threads."""

    machine: str
    features: list[str]
    root: Path = Path("/")


MACHINES = {
    "arm": Processor("aarch64", ["asimd"]),
    "x86-vnni": Processor("x86_64", ["avx2", "avx_vnni"]),
    "x86-avx2": Processor("x86_64", ["avx2"]),
}


def by_subject(bundle, target):
    return {finding.subject: finding for finding in check_bundle(bundle, MACHINES[target])}


def add_to_logits(amount):
    def change(photo):
        logits = {name: tuple(x + amount for x in xs) for name, xs in photo.logits.items()}
        return dataclasses.replace(photo, logits=logits)

    return change


def test_a_good_bundle_is_proven_and_the_fastest_variant_that_ships_is_named(make_golden_bundle):
    found = by_subject(make_golden_bundle(), "arm")
    assert {finding.status for finding in found.values()} == {"ok"}
    assert "3 golden photos, pixels bit-equal" in found["onnxruntime-int8"].found
    assert found["choice"].found == (
        "onnxruntime-int8, the fastest that opens of those that ship to arm "
        "(0.50x the latency of onnxruntime-fp32 on arm); a rule, 'edgecat tune' measures it here"
    )


def test_another_processor_takes_another_variant(make_golden_bundle):
    found = by_subject(make_golden_bundle(), "x86-vnni")
    assert found["choice"].found.startswith("onnxruntime-fp32, the fastest")


def test_other_answers_are_a_problem_with_a_mend(make_golden_bundle):
    found = by_subject(make_golden_bundle(change=add_to_logits(1.9)), "arm")
    for name in ("onnxruntime-fp32", "onnxruntime-int8"):
        assert found[name].status == "problem"
        assert "golden photo large.jpg: logits" in found[name].found
        assert "choose another --variant" in found[name].mend


def test_other_pixels_are_a_problem_with_a_mend(make_golden_bundle):
    bundle = make_golden_bundle(
        change=lambda photo: dataclasses.replace(photo, pixels_sha256="0" * 64)
    )
    finding = by_subject(bundle, "arm")["onnxruntime-fp32"]
    assert finding.status == "problem"
    assert finding.mend.startswith("install the pillow")


def test_what_would_not_be_taken_here_is_only_a_warning(make_golden_bundle):
    found = by_subject(make_golden_bundle(change=add_to_logits(1.9)), "x86-avx2")
    assert found["onnxruntime-fp32"].status == "problem"
    assert found["onnxruntime-int8"].status == "warning"


@pytest.mark.parametrize(("target", "status"), [("arm", "warning"), ("x86-vnni", "ok")])
def test_a_variant_that_does_not_open_is_told_and_another_one_taken(
    make_golden_bundle, target, status
):
    files = {"a.xml": b"<xml/>", "a.bin": b""}
    found = by_subject(make_golden_bundle((BROKEN, FP32), files=files), target)
    assert found["openvino-fp32"].status == status
    assert "openvino-fp32:" not in found["openvino-fp32"].found  # it is the subject
    assert found["choice"].found.startswith("onnxruntime-fp32, ")


def test_what_this_processor_does_not_compute_in_is_no_trouble(make_golden_bundle):
    pytest.importorskip("ncnn", reason="needs ncnn (edgecat[ncnn])")
    half = Variant("ncnn-fp16", ("m.param", "m.bin"), verdict=ON_ARM)
    files = {"m.param": b"no model", "m.bin": b""}
    found = by_subject(make_golden_bundle((half, FP32), files=files), "arm")
    assert found["ncnn-fp16"].status == ("warning" if runs_here(half) else "ok")
    assert found["choice"].found.startswith("onnxruntime-fp32, ")


def test_a_variant_that_does_not_open_is_no_trouble_if_a_faster_one_does(make_golden_bundle):
    files = {"a.xml": b"<xml/>", "a.bin": b""}
    found = by_subject(make_golden_bundle((BROKEN, FP32, INT8), files=files), "arm")
    assert found["openvino-fp32"].status == "ok"
    assert "not opened, and not needed here: OpenVINO" in found["openvino-fp32"].found
    assert found["choice"].found.startswith("onnxruntime-int8, ")


def test_a_bundle_without_self_test_is_a_warning(make_bundle, colour_model):
    found = by_subject(make_bundle(files={"model.onnx": colour_model}), "arm")
    assert found["onnxruntime-fp32"].status == "warning"
    assert found["onnxruntime-fp32"].mend == "export the bundle again"
    assert found["choice"].found == (
        "onnxruntime-fp32, the first that opens: there are no verdicts; a rule, 'edgecat tune' "
        "measures it here"
    )


def test_a_bundle_with_nothing_to_run_here_is_a_problem(make_golden_bundle):
    found = by_subject(make_golden_bundle((INT8,)), "x86-vnni")
    assert found["choice"].status == "problem"
    assert "no variant that ships to x86-vnni" in found["choice"].found


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "bundle.json").write_text("{"), "not JSON"),
        (
            lambda folder: (folder / "model.onnx").write_bytes(b"other"),
            "5 bytes, the manifest says",
        ),
        (lambda folder: (folder / GOLDEN_FILE).unlink(), "missing"),
    ],
)
def test_a_damaged_bundle_is_one_problem(make_golden_bundle, damage, words):
    folder = make_golden_bundle()
    damage(folder)
    (finding,) = check_bundle(folder, MACHINES["arm"])
    assert (finding.subject, finding.status) == ("bundle", "problem")
    assert words in finding.found
    assert finding.mend


def test_a_healthy_pi_with_a_good_bundle_has_no_trouble_at_all(make_pi, make_golden_bundle):
    findings = list(examine(make_golden_bundle(), make_pi()))
    assert {finding.status for finding in findings} == {"ok"}
    subjects = [finding.subject for finding in findings]
    assert len(set(subjects)) == len(subjects) == 16


def test_a_pi_in_trouble_is_told_all_of_it(make_pi):
    machine = make_pi(
        {
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005",
            "sys/class/thermal/thermal_zone0/temp": "84000",
            "proc/meminfo": "MemAvailable: 90000 kB",
        },
        bits=32,
        packages={"onnxruntime": "1.21.0"},
    )
    findings = {finding.subject: finding for finding in examine(machine=machine)}
    problems = {name for name, finding in findings.items() if finding.status == "problem"}
    assert problems == {"system", "memory", "throttling", "onnxruntime"}
    assert findings["temperature"].status == "warning"
    assert all(finding.mend for finding in findings.values() if finding.status != "ok")


def test_what_was_measured_here_is_the_choice(make_golden_bundle, make_tuning):
    bundle = load_bundle(make_golden_bundle())
    tuning = make_tuning(bundle, ("onnxruntime-int8", 1, 1.2), ("onnxruntime-fp32", 1, 1.0))
    keep_tuning(bundle, tuning)
    finding = by_subject(bundle.path, "arm")["choice"]
    assert (finding.status, finding.found) == (
        "ok",
        "onnxruntime-fp32, threads: 1, the fastest as measured here on 2026-11-28T10:20:30Z "
        "(1.00x the latency of onnxruntime-fp32 with 1 thread)",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_partial": True}, "before all was measured"),
        ({"noise": Noise("too noisy", 0.4, ("load 9",))}, "below 40.0 % are not told apart; load"),
    ],
)
def test_what_was_measured_badly_is_a_warning_with_a_mend(
    make_golden_bundle, make_tuning, change, words
):
    bundle = load_bundle(make_golden_bundle())
    keep_tuning(bundle, make_tuning(bundle, ("onnxruntime-fp32", 1, 1.0), **change))
    finding = by_subject(bundle.path, "arm")["choice"]
    assert finding.status == "warning"
    assert words in finding.found
    assert "edgecat tune" in finding.mend


def test_a_tuning_that_counts_no_more_is_a_warning_and_a_rule_decides(make_golden_bundle):
    bundle = make_golden_bundle()
    bundle.with_name("golden.tuned.json").write_text("{}")
    found = by_subject(bundle, "arm")
    assert found["tuning"].status == "warning"
    assert "the key 'variant' is missing" in found["tuning"].found
    assert found["tuning"].mend == f"edgecat tune {bundle}, or remove the file"
    assert "a rule" in found["choice"].found
