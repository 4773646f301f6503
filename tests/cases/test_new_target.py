"""A new target is a file: here the very machine that runs the test."""

import json

import pytest

pytestmark = pytest.mark.slow  # fine-tunes and quantizes

TARGET = '''
"""The laboratory's processors: whatever this is."""

from edgecat.runtime.target import Target

ENTRY = Target(
    matches=lambda machine, features: True,
    priority=100,
    advice=lambda features: "favours the laboratory",
)
'''


@pytest.fixture(scope="module")
def edgecat(install):
    return install({"lab": TARGET}, {"edgecat.runtime.targets": "lab-cpu = lab:ENTRY"})


@pytest.fixture(scope="module")
def bundle(edgecat, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("target")
    edgecat.finetune(photos, folder / "run", "--weights", "cats12", recipe=["crop_side_px=64"])
    arguments = ["--int8", "--search", "quick", "--allow-drop", "--targets", "lab-cpu"]
    edgecat.run("export", folder / "run", "--out", folder / "b.edgecat", *arguments)
    return folder / "b.edgecat"


@pytest.fixture(scope="module")
def verdicts(bundle):
    manifest = json.loads((bundle / "bundle.json").read_text())
    imitated = manifest["provenance"]["imitated"]
    return {
        variant["name"]: variant["verdict"]
        for variant in manifest["variants"]
        if variant["name"] not in imitated
    }


def test_help_lists_it(edgecat):
    assert "lab-cpu" in edgecat.run("export", "--help")


def test_verdicts_are_measured_on_it_and_speak_of_it(verdicts):
    for verdict in verdicts.values():
        assert verdict["measured_on"] == "lab-cpu"
        assert {*verdict["ships_to"], *verdict["reasons"]} == {
            "arm", "x86-avx2", "x86-vnni", "lab-cpu",
        }  # fmt: skip
    assert "lab-cpu" in verdicts["onnxruntime-fp32"]["ships_to"]


def test_int8_is_made_for_it_alone_with_all_bits_of_its_weights(verdicts):
    reasons = verdicts["onnxruntime-int8"]["reasons"]
    assert "saturate" in reasons["x86-avx2"]
    assert "not made for it" in reasons["arm"]


def test_what_is_measured_on_it_now_ships_to_it_if_it_is_fast(verdicts):
    verdict = verdicts["openvino-int8"]
    assert "lab-cpu" in verdict["ships_to"] or "slower" in verdict["reasons"]["lab-cpu"]


def test_doctor_and_the_choice_know_it(edgecat, bundle):
    said = edgecat.run("doctor", bundle)
    assert "favours the laboratory" in said
    assert "of those that ship to lab-cpu" in said


def test_it_is_measured_predicted_served_and_watched(edgecat, bundle, photo, tmp_path):
    report = json.loads(edgecat.run("benchmark", bundle, "--rounds", "10", "--json", "-"))
    assert {row["variant"] for row in report["rows"]} >= {"onnxruntime-fp32", "onnxruntime-int8"}
    answer = edgecat.predict(bundle, photo)
    watched = edgecat.watch(bundle, photo, tmp_path / "in")
    with edgecat.serve(bundle) as ask:
        assert b"<html" in ask("/")
        served = json.loads(ask("/v1/predict", photo.read_bytes()))
    assert answer["answer"] == served["answer"] == watched["answer"]


def test_an_older_bundle_is_run_as_on_the_next_best_target(edgecat, photo):
    edgecat.run("predict", "cats12", photo)


def test_a_device_that_does_not_know_it_takes_what_ships_to_its_own(plain, bundle, photo):
    plain.run("predict", bundle, photo)
