"""The wheel, installed on emulated Pis with the Python of both releases, does what it does here."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.emulated

VARIANTS = ("onnxruntime-fp32", "onnxruntime-int8")


@pytest.fixture(scope="module", params=["pi4, Debian 12", "pi5, Debian 13"])
def edgecat(request, get_pi, install):
    """A function that runs the installed edgecat on a Pi and returns what it printed."""
    name, debian = request.param.split(", Debian ")
    pi, site = get_pi(name, debian), install(debian)

    def run(*arguments):
        done = pi.run([str(site / "bin/edgecat"), *arguments], [site])
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("variant", VARIANTS)
def test_predict_answers_as_it_does_here(edgecat, ten_photos, variant):
    arguments = ["predict", "cats12", "--variant", variant, "--threads", "1", "--json"]
    arguments += map(str, ten_photos)
    there = json.loads(edgecat(*arguments))["predictions"]
    python = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]
    here = json.loads(subprocess.check_output([*python, *arguments]))["predictions"]
    assert len(there) == 10
    assert [one["label"] for one in there] == [one["label"] for one in here]


def test_doctor_proves_that_its_pixels_and_logits_are_those_of_the_export(edgecat):
    findings = json.loads(edgecat("doctor", "cats12", "--json"))["findings"]
    found = {finding["subject"]: finding["found"] for finding in findings}
    assert "Raspberry Pi" in found["system"]
    answers = {variant: found[variant].partition(":")[0] for variant in VARIANTS}
    assert answers == dict.fromkeys(VARIANTS, "self-test passed")
