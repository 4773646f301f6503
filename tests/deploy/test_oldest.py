"""The lowest versions that pyproject.toml allows do what a device does, beside the newest ones.

The workshop (the extra train) is left out: its packages take gigabytes.
"""

import http.client
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

ROOT = Path(__file__).parents[2]

EXTRAS = ("openvino", "ncnn", "sign", "serve", "heic")

# Of probabilities, between versions of the engines: they round in another order.
TOLERANCE = 1e-4


def read_floors():
    """Return the lowest version of each direct dependency of a device."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    floors = {}
    for requirement in map(Requirement, lines):
        (floors[requirement.name],) = (
            specifier.version for specifier in requirement.specifier if specifier.operator == ">="
        )
    return floors


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A Python with edgecat and the lowest versions of what it needs."""
    folder = tmp_path_factory.mktemp("oldest") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    floors = [f"{name}=={version}" for name, version in read_floors().items()]
    subprocess.run([folder / "bin/pip", "install", "--quiet", wheel, *floors], check=True)
    return folder / "bin/python"


@pytest.fixture
def edgecat(python, tmp_path):
    """A function that runs a command there and returns what it prints."""

    def run(*arguments):
        command = [python.with_name("edgecat"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def photo(tmp_path):
    """A photo, and what this environment, with the newest versions, answers."""
    from edgecat import Classifier
    from edgecat.photos.drawings import BREEDS, draw_cat

    draw_cat(next(iter(BREEDS)), np.random.default_rng(0)).save(tmp_path / "cat.jpg")
    with Classifier.open("cats12") as classifier:
        return tmp_path / "cat.jpg", classifier.predict(tmp_path / "cat.jpg")


@pytest.mark.installs
def test_the_lowest_versions_are_the_ones_installed(python):
    script = (
        "import json, sys; from importlib.metadata import version\n"
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    floors = read_floors()
    found = json.loads(subprocess.check_output([python, "-c", script, *floors]))
    for name, version in floors.items():
        assert re.fullmatch(re.escape(version) + r"(\.0)*", found[name]), (name, found[name])


@pytest.mark.installs
def test_doctor_finds_no_problem_and_every_engine_answers_as_here(
    edgecat, make_bundle, colour_model
):
    import onnx

    from edgecat.bundle.golden import GOLDEN_FILE
    from edgecat.bundle.manifest import Variant
    from edgecat.bundle.ncnn_file import Layer, write_param
    from edgecat.bundle.store import load_bundle
    from edgecat.export.golden import build_golden
    from edgecat.graph.to_openvino import export_openvino
    from edgecat.runtime.choice import open_engine

    graph, weights = export_openvino(onnx.load_model_from_string(colour_model))
    layers = [
        Layer("Input", (), ("image",), {"side": 224, "channels": 3}),
        Layer("Pooling", ("image",), ("logits",)),
    ]
    files = {"model.onnx": colour_model, "model.xml": graph, "model.bin": weights}
    files |= {"layers.param": write_param(layers), "layers.bin": b""}
    variants = (
        Variant("onnxruntime-fp32", ("model.onnx",)),
        Variant("openvino-fp32", ("model.xml", "model.bin")),
        Variant("ncnn-fp32", ("layers.param", "layers.bin")),
    )
    plain = load_bundle(make_bundle(files=files, variants=variants, name="plain"))
    golden = build_golden(
        [open_engine(plain, variant.name) for variant in variants], plain.spec.input
    )
    files[GOLDEN_FILE] = golden.to_json().encode()
    made = make_bundle(files=files, variants=variants)
    for bundle, num_variants in {"cats12": 2, made: len(variants)}.items():
        findings = json.loads(edgecat("doctor", bundle, "--json"))["findings"]
        assert not [finding for finding in findings if finding["status"] == "problem"]
        tried = [each for each in findings if "self-test passed" in each["found"]]
        assert len(tried) == num_variants, findings


@pytest.mark.installs
def test_predict_answers_as_here(edgecat, photo):
    path, expected = photo
    (answer,) = json.loads(edgecat("predict", "cats12", path, "--json"))["predictions"]
    assert answer["label"] == expected.label
    assert answer["probability"] == pytest.approx(expected.probability, abs=TOLERANCE)


@pytest.mark.installs
def test_a_photo_of_an_iphone_is_read(edgecat, photo, tmp_path):
    import pillow_heif

    path, expected = photo
    pillow_heif.from_pillow(Image.open(path)).save(tmp_path / "cat.heic", quality=100)
    (answer,) = json.loads(edgecat("predict", "cats12", "cat.heic", "--json"))["predictions"]
    assert answer["label"] == expected.label


@pytest.mark.installs
def test_a_signed_bundle_is_signed_and_taken(edgecat, make_bundle, colour_model, photo):
    bundle = make_bundle(files={"model.onnx": colour_model})
    edgecat("keygen", "--out", "owner.pem")
    edgecat("sign", bundle, "--key", "owner.pem")
    assert edgecat("predict", bundle, photo[0], "--require-signature", "owner.pub.pem")


@pytest.mark.installs
def test_the_server_answers_as_here(python, photo):
    path, expected = photo
    command = [python.with_name("edgecat"), "serve", "cats12", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            line = server.stderr.readline()
            port = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            assert port, line + server.stderr.read()
            client = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=60)
            client.request("POST", "/v1/predict", path.read_bytes(), {"Content-Type": "image/jpeg"})
            answer = json.loads(client.getresponse().read())
            client.request("GET", "/metrics")
            assert b"edgecat_requests_total" in client.getresponse().read()
        finally:
            server.terminate()
    assert server.returncode == 0
    assert answer["probability"] == pytest.approx(expected.probability, abs=TOLERANCE)
