"""A new network is a file: another side, another resize, another mean, another interpolation."""

import hashlib
import io
import json

import numpy as np
import onnx
import pytest
from PIL import Image

pytestmark = pytest.mark.slow  # fine-tunes and quantizes

# Enough to know three colours from random numbers on, in seconds.
LEARNS = ["epochs=16", "ema_decay=0.5", "rate=3e-3", "backbone_rate=3e-3"]

NETWORK = '''
"""Half a MobileNetV3, for small pictures."""

from edgecat.photos.input import InputSpec
from edgecat.train.architecture import Architecture


def build(num_classes):
    from functools import partial

    from torch.nn import BatchNorm2d

    from edgecat.train.vision import import_torchvision

    # Another eps than torchvision's, and statistics that follow within a few steps.
    norm = partial(BatchNorm2d, eps=2e-3, momentum=0.3)
    return import_torchvision().models.mobilenet_v3_small(
        width_mult=0.5, num_classes=num_classes, norm_layer=norm
    )


ENTRY = Architecture(
    input=InputSpec(
        side_px=96,
        shorter_side_px=107,
        mean_ratio=(0.5, 0.4, 0.3),
        std_ratio=(0.5, 0.25, 0.125),
        interpolation="bicubic",
    ),
    build=build,
    backbone=("features", "avgpool"),
    head="classifier",
    output_layer="classifier.3",
)
'''

SIDE_PX, SHORTER_SIDE_PX = 96, 107


@pytest.fixture(scope="module")
def edgecat(install):
    return install({"tiny_net": NETWORK}, {"edgecat.train.networks": "tiny_net = tiny_net:ENTRY"})


@pytest.fixture(scope="module")
def run(edgecat, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network") / "run"
    edgecat.finetune(photos, folder, "--arch", "tiny_net", "--weights", "scratch", recipe=LEARNS)
    return folder


@pytest.fixture(scope="module")
def bundle(edgecat, run):
    arguments = ["--int8", "--search", "quick", "--allow-drop"]
    edgecat.run("export", run, "--out", run.parent / "b.edgecat", *arguments)
    return run.parent / "b.edgecat"


@pytest.fixture(scope="module")
def manifest(bundle):
    return json.loads((bundle / "bundle.json").read_text())


def test_help_lists_it(edgecat):
    assert "tiny_net" in edgecat.run("finetune", "--help")


def test_a_run_records_what_it_takes_and_trains_on_crops_of_its_side(run):
    record = json.loads((run / "run.json").read_text())
    assert record["input"]["side_px"] == record["recipe"]["crop_side_px"] == SIDE_PX
    assert record["outcome"]["val_top1_ratio"] > 0.5  # or equal answers below would prove nothing


def test_the_manifest_holds_the_preprocessing_and_the_graph_carries_it(manifest, bundle):
    assert manifest["arch"] == "tiny_net"
    assert manifest["input"]["side_px"] == SIDE_PX
    assert manifest["input"]["shorter_side_px"] == SHORTER_SIDE_PX
    assert manifest["input"]["interpolation"] == "bicubic"
    graph = onnx.load(bundle / "onnxruntime-fp32.onnx").graph
    shape = [axis.dim_value for axis in graph.input[0].type.tensor_type.shape.dim]
    assert shape[1:] == [SIDE_PX, SIDE_PX, 3]
    means = [onnx.numpy_helper.to_array(item).ravel() for item in graph.initializer]
    wanted = 255 * np.array([0.5, 0.4, 0.3], np.float32)
    assert any(np.array_equal(mean, wanted) for mean in means)


def test_the_pixels_are_those_that_a_reader_of_the_manifest_would_make(bundle):
    golden = json.loads((bundle / "golden.json").read_text())
    (photo,) = (photo for photo in golden["photos"] if photo["name"] == "turned.jpg")
    from base64 import b64decode

    from PIL import ImageOps

    image = ImageOps.exif_transpose(Image.open(io.BytesIO(b64decode(photo["base64"]))))
    assert min(image.size) == image.size[0]
    size = (SHORTER_SIDE_PX, SHORTER_SIDE_PX * image.size[1] // image.size[0])
    scaled = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    top, left = (round((side - SIDE_PX) / 2) for side in scaled.shape[:2])
    pixels = scaled[top : top + SIDE_PX, left : left + SIDE_PX]
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == photo["pixels_sha256"]


def test_every_variant_passes_its_self_test(edgecat, bundle, manifest):
    lines = edgecat.run("doctor", bundle).splitlines()
    passed = {line.split()[1] for line in lines if "self-test passed" in line}
    imitated = manifest["provenance"]["imitated"]  # this processor may lack fp16
    names = {variant["name"] for variant in manifest["variants"]}
    assert passed >= {"onnxruntime-fp32", "ncnn-fp32"}
    assert names - set(imitated) <= passed <= names


def test_it_is_measured_on_labelled_photos(edgecat, bundle, photos):
    arguments = ("--data", photos, "--rounds", "10", "--json", "-")
    report = json.loads(edgecat.run("benchmark", bundle, *arguments))
    rows = {row["variant"]: row for row in report["rows"]}
    assert rows["onnxruntime-fp32"]["num_images"] > 0
    assert rows["onnxruntime-int8"]["cold_start_ms"] > 0


def test_it_predicts_serves_watches_and_streams_alike(edgecat, bundle, photo, tmp_path):
    jpeg = tmp_path / "a.jpg"
    Image.open(photo).save(jpeg)
    variant = ("--variant", "onnxruntime-fp32")
    answer = edgecat.predict(bundle, jpeg, *variant)
    watched = edgecat.watch(bundle, jpeg, tmp_path / "in", *variant)
    with edgecat.serve(bundle, *variant) as ask:
        assert b"<html" in ask("/")
        served = json.loads(ask("/v1/predict", jpeg.read_bytes()))
    lines = edgecat.run("stream", bundle, *variant, data=jpeg.read_bytes()).splitlines()
    streamed = json.loads(lines[-1])
    assert answer["top"] == served["top"] == watched["top"] == streamed["top"]


def test_a_device_needs_no_network_only_training_does(plain, bundle, photo, run):
    plain.run("predict", bundle, photo)
    refused = plain.run("export", run, "--out", run.parent / "c.edgecat", code=2)
    assert "'tiny_net': accepted are mobilenet_v3_large, mobilenet_v3_small" in refused


def test_the_next_model_starts_from_its_bundle(edgecat, bundle, photos, tmp_path):
    arguments = ("--arch", "tiny_net", "--weights", bundle)
    edgecat.finetune(photos, tmp_path / "run", *arguments)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["random"] == ["classifier.3.weight", "classifier.3.bias"]
