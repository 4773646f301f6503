"""deploy/README.md's installation of ncnn alone: small, and it answers on a Pi."""

import importlib.metadata
import json
import re
import subprocess
import sys

import arm64
import pytest

from benchmarks.engines.ncnn_bundle import make_bundle

pytestmark = pytest.mark.emulated

# Without bytecode numpy takes 56, Pillow 21, ncnn 12, edgecat 10, of which its model takes 8.
MAX_SIZE_MB = 100

README = arm64.PROJECT / "deploy/README.md"


@pytest.fixture(scope="module")
def installation():
    """What README tells to type behind `pip install`, without edgecat itself."""
    (line,) = re.findall(r"pip install (--no-deps .*)", README.read_text())
    words = line.split()
    words.remove("edgecat")
    return words


@pytest.fixture(scope="module", params=["pi4, Debian 12", "pi5, Debian 13"])
def device(request, get_pi, install, installation):
    """A Pi's name, and a function that runs the installed edgecat on it."""
    name, debian = request.param.split(", Debian ")
    pi, site = get_pi(name, debian), install(debian, *installation)

    def run(*arguments):
        done = pi.run([str(site / "bin/edgecat"), *map(str, arguments)], [site])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return name, run


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("ncnn") / "bundle")


def test_it_stays_within_its_budget_and_brings_nothing_else(install, installation):
    site = install("12", *installation)
    size_bytes = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert size_bytes <= MAX_SIZE_MB * 1e6
    installed = importlib.metadata.distributions(path=[str(site)])
    names = {package.metadata["Name"].lower() for package in installed}
    assert names == {"edgecat", "numpy", "pillow", "click", "ncnn"}


def test_it_answers_as_here_with_the_fastest_that_opens(device, bundle, ten_photos):
    name, run = device
    found = json.loads(run("predict", bundle, *ten_photos, "--threads", "1", "--json"))
    assert found["variant"] == {"pi4": "ncnn-fp32", "pi5": "ncnn-fp16"}[name]
    python = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]
    command = [*python, "predict", bundle, *ten_photos, "--variant", "onnxruntime-fp32", "--json"]
    here = json.loads(subprocess.check_output(list(map(str, command))))
    labels = [one["label"] for one in here["predictions"]]
    assert [one["label"] for one in found["predictions"]] == labels


def test_doctor_says_what_is_missing_and_that_nothing_is_wrong(device):
    findings = json.loads(device[1]("doctor", "--json"))["findings"]
    found = {finding["subject"]: finding for finding in findings}
    assert found["onnxruntime"]["status"] == "ok"
    assert "not installed" in found["onnxruntime"]["found"]
    assert found["ncnn"]["found"] == importlib.metadata.version("ncnn")
