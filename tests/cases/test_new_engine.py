"""A new engine is a package of two files: here one that runs packed graphs, and is real."""

import json

import pytest

pytestmark = pytest.mark.slow  # fine-tunes and quantizes

QUICKLY = ("--rounds", "10")

# The runtime half: all that a device needs.
ENGINE = '''
"""zrt runs ONNX graphs that are packed by zlib."""

import zlib

from edgecat.errors import EngineError
from edgecat.runtime.engine import EngineEntry
from edgecat.runtime.precision import FP32, INT8


class PackedEngine:
    def __init__(self, variant, files, resources):
        import onnxruntime

        self.name, self._threads = variant.name, resources.threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = resources.threads
        try:
            graph = zlib.decompress(files[0])
        except zlib.error as error:
            raise EngineError(f"{variant.name}: not packed ({error}); export it again") from error
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def run(self, batch):
        return self._session.run(["logits"], {"image": batch})[0]

    def run_with_features(self, batch):
        return tuple(self._session.run(None, {"image": batch}))

    def describe(self):
        return {"version": "1.0", "threads": self._threads, "effective_precision": "packed"}

    def close(self):
        self._session = None


ENTRY = EngineEntry(
    title="the packed runtime",
    package="zrt_engine",
    requirement="zrt-engine",
    open=PackedEngine,
    precisions=(FP32, INT8),
)
'''

# The workshop half: how its files are made.
MAKER = '''
"""How zrt's files are made: as ONNX Runtime's, and packed."""

import dataclasses
import zlib

from edgecat.export.maker import Maker
from edgecat.quantize.form import FORMS
from edgecat.quantize.recipe import Recipe

like = FORMS.load("onnxruntime")

MAKER = Maker((".z",), lambda graph: (zlib.compress(graph.SerializeToString()),))
FORM = dataclasses.replace(
    like, write=lambda parts, placement: [zlib.compress(*like.write(parts, placement))]
)
RECIPES = (Recipe("the only one", 2, mends_biases=False),)
'''


@pytest.fixture(scope="module")
def edgecat(install):
    return install(
        {"zrt_engine": ENGINE, "zrt_maker": MAKER},
        {
            "edgecat.runtime.engines": "zrt = zrt_engine:ENTRY",
            "edgecat.export.makers": "zrt = zrt_maker:MAKER",
            "edgecat.quantize.forms": "zrt = zrt_maker:FORM",
            "edgecat.quantize.recipes": "zrt = zrt_maker:RECIPES",
        },
    )


@pytest.fixture(scope="module")
def bundle(edgecat, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    edgecat.finetune(photos, folder / "run", "--weights", "cats12", recipe=["crop_side_px=64"])
    arguments = ["--int8", "--search", "quick", "--allow-drop"]
    edgecat.run("export", folder / "run", "--out", folder / "b.edgecat", *arguments)
    return folder / "b.edgecat"


@pytest.fixture(scope="module")
def manifest(bundle):
    return json.loads((bundle / "bundle.json").read_text())


def test_its_variants_are_proven_scored_and_judged_as_all_others(manifest):
    variants = {variant["name"]: variant for variant in manifest["variants"]}
    assert {"zrt-fp32", "zrt-int8"} <= variants.keys()
    assert next(iter(variants)) == "onnxruntime-fp32"
    assert variants["zrt-fp32"]["files"] == ["zrt-fp32.z"]
    assert (
        variants["zrt-int8"]["score"]["num_images"] == variants["zrt-fp32"]["score"]["num_images"]
    )
    assert variants["zrt-fp32"]["verdict"]["latency_ratio"] > 0
    assert variants["zrt-int8"]["verdict"]["latency_ratio"] > 0
    assert manifest["provenance"]["parity"]["zrt-fp32"]["logit_gap"] < 1e-3
    assert manifest["provenance"]["search"]["zrt-int8"]["chosen"] == "the only one"


def test_it_answers_the_golden_photos_and_doctor_finds_it(edgecat, bundle, monkeypatch):
    golden = json.loads((bundle / "golden.json").read_text())
    assert all({"zrt-fp32", "zrt-int8"} <= photo["logits"].keys() for photo in golden["photos"])
    lines = edgecat.run("doctor", bundle).splitlines()
    passed = [line for line in lines if "self-test passed" in line]
    assert {"zrt-fp32", "zrt-int8"} <= {line.split()[1] for line in passed}
    assert any(line.split()[1] == "zrt_engine" for line in lines)


def test_it_is_measured_in_this_process_and_in_fresh_ones(edgecat, bundle, photos):
    report = json.loads(edgecat.run("benchmark", bundle, "--data", photos, *QUICKLY, "--json", "-"))
    rows = {row["variant"]: row for row in report["rows"]}
    assert rows["zrt-fp32"]["precision"] == "packed"
    assert rows["zrt-int8"]["ratio_to_fp32"] > 0
    assert rows["zrt-fp32"]["cold_start_ms"] > 0
    assert rows["zrt-fp32"]["top1_ratio"] == rows["onnxruntime-fp32"]["top1_ratio"]


def test_it_predicts_serves_and_watches(edgecat, bundle, photo, tmp_path):
    variant = ("--variant", "zrt-int8")
    answer = edgecat.predict(bundle, photo, *variant)
    watched = edgecat.watch(bundle, photo, tmp_path / "in", *variant)
    with edgecat.serve(bundle, *variant) as ask:
        assert b"<html" in ask("/")
        assert b"edgecat_requests_total" in ask("/metrics")
        served = json.loads(ask("/v1/predict", photo.read_bytes()))
    assert served["variant"] == watched["variant"] == "zrt-int8"
    assert answer["answer"] == served["answer"] == watched["answer"]
    assert answer["probability"] == served["probability"] == watched["probability"]


def test_where_it_is_not_installed_the_bundle_is_whole_and_others_answer(plain, bundle, photo):
    plain.run("predict", bundle, photo)
    refused = plain.run("predict", bundle, photo, "--variant", "zrt-fp32", code=6)
    assert "engine 'zrt': known here are ncnn, onnxruntime, openvino" in refused
    lines = plain.run("doctor", bundle).splitlines()
    assert any("zrt-fp32" in line and "known here are" in line for line in lines)
