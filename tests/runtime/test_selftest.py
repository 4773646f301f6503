"""A device proves that it sees the pixels and gives the answers of the exporting machine."""

import base64
import dataclasses
import json

import numpy as np
import pytest

from edgecat.bundle.golden import GOLDEN_FILE, Golden, load_golden
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.errors import BundleError, SelfTestError
from edgecat.export.golden import build_golden, draw_photos
from edgecat.photos.input import IMAGENET
from edgecat.runtime.choice import open_engine
from edgecat.runtime.selftest import run_self_test

FP32, INT8, BF16 = "onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16"


class MeanEngine:
    """Answers the mean red, green and blue, 0-1, and is `gap` off."""

    def __init__(self, name=FP32, gap=0.0):
        self.name, self._gap = name, gap

    def run(self, batch):
        means = batch.mean(axis=(1, 2), dtype=np.float64) / 255
        return (means + self._gap).astype(np.float32)

    def describe(self):
        return {}

    def close(self):
        pass


@pytest.fixture(scope="module")
def golden():
    return build_golden([MeanEngine(name) for name in (FP32, INT8, BF16)], IMAGENET)


@pytest.fixture
def make_golden_bundle(make_bundle):
    """A function that makes a bundle whose hashes are right, whatever its golden file says."""

    def make(text):
        variants = tuple(Variant(name, ("model.onnx",)) for name in (FP32, INT8, BF16))
        folder = make_bundle(
            files={GOLDEN_FILE: text.encode()},
            variants=variants,
            provenance={"versions": {"pillow": "13.0.0", "onnxruntime": "1.32.0"}},
        )
        return load_bundle(folder)

    return make


def change_photo(golden, number=1, **values):
    photos = list(golden.photos)
    photos[number] = dataclasses.replace(photos[number], **values)
    return Golden(tuple(photos)).to_json()


def test_the_exporting_machine_passes_its_own_test(make_golden_bundle, golden):
    result = run_self_test(make_golden_bundle(golden.to_json()), MeanEngine())
    assert (result.num_photos, result.logit_gap) == (len(draw_photos()), 0.0)
    assert result.describe() == (
        "3 golden photos, pixels bit-equal, logits 0 off (accepted: 0.001)"
    )


# 0.28: seen between INT8 kernels of x86 and Arm; 1.9: of sums that overflow without VNNI.
@pytest.mark.parametrize(
    ("variant", "gap"), [(FP32, 1e-5), (FP32, -1e-4), (INT8, 0.28), (INT8, -0.28), (BF16, 0.3)]
)
def test_rounding_of_another_processor_is_accepted_and_reported(
    make_golden_bundle, golden, variant, gap
):
    result = run_self_test(make_golden_bundle(golden.to_json()), MeanEngine(variant, gap))
    assert result.logit_gap == pytest.approx(abs(gap), rel=0.01)
    assert result.logit_gap <= result.tolerance


@pytest.mark.parametrize(
    ("variant", "gap"), [(FP32, 0.01), (FP32, -0.01), (INT8, 1.9), (BF16, 1.0), (FP32, np.nan)]
)
def test_other_answers_are_refused(make_golden_bundle, golden, variant, gap):
    bundle = make_golden_bundle(golden.to_json())
    with pytest.raises(SelfTestError, match=f"logits of {variant} are up to .* from those"):
        run_self_test(bundle, MeanEngine(variant, gap))


def test_altered_logits_are_refused_and_the_message_says_what_to_install(
    make_golden_bundle, golden
):
    logits = {name: (9.0, *values[1:]) for name, values in golden.photos[1].logits.items()}
    bundle = make_golden_bundle(change_photo(golden, logits=logits))
    with pytest.raises(SelfTestError, match=r"turned\.jpg: logits.*install onnxruntime 1\.32\.0"):
        run_self_test(bundle, MeanEngine())


def test_other_pixels_are_refused_and_the_message_says_what_to_install(make_golden_bundle, golden):
    bundle = make_golden_bundle(change_photo(golden, pixels_sha256="0" * 64))
    with pytest.raises(SelfTestError, match=r"turned\.jpg: its pixels .*install pillow 13\.0\.0"):
        run_self_test(bundle, MeanEngine())


@pytest.mark.parametrize("data", [b"", b"no photo", draw_photos()["turned.jpg"][:100]])
def test_a_golden_photo_that_cannot_be_read_is_refused(make_golden_bundle, golden, data):
    bundle = make_golden_bundle(change_photo(golden, base64=base64.b64encode(data).decode()))
    with pytest.raises(SelfTestError, match=r"turned\.jpg: this machine cannot read it"):
        run_self_test(bundle, MeanEngine())


def test_another_photo_in_the_place_of_a_golden_one_is_refused(make_golden_bundle, golden):
    bundle = make_golden_bundle(change_photo(golden, base64=golden.photos[0].base64))
    with pytest.raises(SelfTestError, match="its pixels are not those"):
        run_self_test(bundle, MeanEngine())


BROKEN = {
    "no json": (lambda golden: "no json", "not JSON"),
    "a list": (lambda golden: "[]", "expected named values"),
    "no text": (lambda golden: change_photo(golden, base64="****"), "not base64"),
    "unknown key": (
        lambda golden: json.dumps(json.loads(golden.to_json()) | {"phtos": []}),
        "did you mean 'photos'",
    ),
    "no answers of the variant": (
        lambda golden: change_photo(golden, logits={}),
        "stores 0 logits",
    ),
    "too few answers": (lambda golden: change_photo(golden, logits={FP32: (0.5,)}), "3 labels"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_golden_file_that_does_not_read_is_a_broken_bundle(
    make_golden_bundle, golden, text, words
):
    with pytest.raises(BundleError, match=words) as caught:
        run_self_test(make_golden_bundle(text(golden)), MeanEngine())
    assert not isinstance(caught.value, SelfTestError)


def test_a_golden_file_changed_since_the_bundle_was_loaded_is_refused(make_golden_bundle, golden):
    bundle = make_golden_bundle(golden.to_json())
    (bundle.path / GOLDEN_FILE).write_text(change_photo(golden, logits={}))
    with pytest.raises(BundleError, match="the manifest says"):
        run_self_test(bundle, MeanEngine())


def test_a_bundle_without_golden_photos_proves_nothing_and_says_so(make_bundle):
    result = run_self_test(load_bundle(make_bundle()), MeanEngine())
    assert result.num_photos == 0
    assert result.describe() == "no golden photos stored, nothing proven; export the bundle again"


@pytest.mark.parametrize("provenance", [{}, {"versions": 3}, {"versions": {"numpy": "2.0"}}])
def test_without_provenance_the_message_names_the_package_alone(make_bundle, golden, provenance):
    text = change_photo(golden, pixels_sha256="0" * 64)
    bundle = load_bundle(make_bundle(files={GOLDEN_FILE: text.encode()}, provenance=provenance))
    with pytest.raises(SelfTestError, match="install the pillow that exported the bundle"):
        run_self_test(bundle, MeanEngine())


def test_the_file_keeps_every_digit(make_golden_bundle, golden):
    assert load_golden(make_golden_bundle(golden.to_json())) == golden


@pytest.mark.parametrize("variant", [FP32, INT8])
def test_the_released_model_answers_here_as_where_it_was_made(variant):
    bundle = load_bundle("cats12")
    engine = open_engine(bundle, variant, threads=1)
    assert run_self_test(bundle, engine).num_photos == len(draw_photos())
    engine.close()


@pytest.mark.parametrize("text", ["\u00e9", "abc"])
def test_a_golden_photo_that_is_no_base64_is_a_broken_bundle(make_golden_bundle, golden, text):
    with pytest.raises(BundleError, match="not base64"):
        run_self_test(make_golden_bundle(change_photo(golden, base64=text)), MeanEngine())
