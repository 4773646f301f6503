"""ncnn as an engine: right answers, and nothing but them, from whatever files a bundle holds."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("ncnn", reason="needs ncnn (edgecat[ncnn])")

from edgecat.bundle.manifest import Variant
from edgecat.bundle.ncnn_file import Layer, write_param
from edgecat.bundle.store import load_bundle
from edgecat.errors import EngineError, NotFiniteError
from edgecat.machine.cores import count_threads
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import ENGINES, open_model
from edgecat.runtime.precision import FP16

FP32_VARIANT = Variant("ncnn-fp32", ("m.param", "m.bin"))
FP16_VARIANT = Variant("ncnn-fp16", ("m.param", "m.bin"))
SIDE_PX = 224

IMAGE = Layer("Input", (), ("image",), {"side": SIDE_PX, "channels": 3})
DENSE = {"channels": 3, "weights": 9}

# Its three logits are the mean red, green and blue, 0-255, as those of `colour_model`.
COLOURS = (write_param([IMAGE, Layer("Pooling", ("image",), ("logits",))]), b"")

# The same in float32 and through a layer of weights, with the means as features.
FEATURES = (
    write_param(
        [
            IMAGE,
            Layer("Pooling", ("image",), ("0",)),
            Layer("Split", ("0",), ("1", "features")),
            Layer("InnerProduct", ("1",), ("logits",), DENSE),
        ]
    ),
    bytes(4) + np.diag([1, 2, 3]).astype("<f4").tobytes() + bytes(12),
)

# Answers of fp32 may differ in the order of 50,176 additions of up to 255.
TOLERANCE = 1e-2


def plain_photos(*colours):
    return np.stack([np.full((SIDE_PX, SIDE_PX, 3), colour, np.uint8) for colour in colours])


def test_it_answers_each_photo_of_a_batch_in_rgb():
    engine = open_model(FP32_VARIANT, COLOURS, 1)
    photos = plain_photos((10, 20, 30), (200, 0, 255))
    assert engine.run(photos) == pytest.approx(photos[:, 0, 0].astype(np.float32), abs=TOLERANCE)
    engine.close()


def test_it_answers_photos_as_they_lie_in_memory():
    photos = np.random.default_rng(0).integers(0, 256, (4, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    engine = open_model(FP32_VARIANT, COLOURS, 1)
    for view in (photos[:, ::-1], photos[::2], photos.transpose(0, 2, 1, 3)):
        assert engine.run(view) == pytest.approx(view.mean((1, 2)), abs=TOLERANCE)


def test_features_are_what_the_last_layer_reads():
    logits, features = open_model(FP32_VARIANT, FEATURES, 1).run_with_features(
        plain_photos((10, 20, 30))
    )
    assert features[0] == pytest.approx([10, 20, 30], abs=TOLERANCE)
    assert logits[0] == pytest.approx([10, 40, 90], abs=TOLERANCE)


@pytest.mark.parametrize("threads", [1, 2, None])
def test_it_says_what_it_is(threads):
    import ncnn

    assert open_model(FP32_VARIANT, COLOURS, threads).describe() == {
        "version": ncnn.__version__,
        "threads": threads or count_threads(),
        "effective_precision": "fp32",
    }


def test_each_of_several_threads_gets_its_own_answer():
    engine = open_model(FP32_VARIANT, COLOURS, 1)
    values = list(range(100))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda value: engine.run(plain_photos(value))[0, 0], values))
    assert found == pytest.approx(values, abs=TOLERANCE)


def test_answers_are_not_overwritten_by_the_next_call():
    engine = open_model(FP32_VARIANT, COLOURS, 1)
    first = engine.run(plain_photos(10))
    kept = first.copy()
    engine.run(plain_photos(200))
    engine.close()
    assert np.array_equal(first, kept)


def test_a_model_opened_and_closed_leaves_no_file_open():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        open_model(FP32_VARIANT, FEATURES, 1).close()
    assert len(os.listdir("/proc/self/fd")) == before


REFUSED = {
    "nothing": (b"", b""),
    "text": (b"no model", b""),
    "in the other order": FEATURES[::-1],
    "cut off": (FEATURES[0], FEATURES[1][:-4]),
    "one file": (FEATURES[0],),
    "three files": (*FEATURES, b""),
}


@pytest.mark.parametrize("files", REFUSED.values(), ids=REFUSED)
def test_files_that_are_no_model_are_refused_without_a_word_to_the_screen(files, capfd):
    with pytest.raises(
        EngineError, match=r"ncnn-fp32: ncnn .* refuses the model .*export it again"
    ):
        open_model(FP32_VARIANT, files, 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "photos",
    [
        np.zeros((1, SIDE_PX + 1, SIDE_PX, 3), np.uint8),
        np.zeros((1, SIDE_PX, SIDE_PX, 4), np.uint8),
        np.zeros((SIDE_PX, SIDE_PX, 3), np.uint8),
        np.zeros((1, SIDE_PX, SIDE_PX, 3), np.float32),
    ],
    ids=["larger", "with alpha", "no batch", "float"],
)
def test_photos_of_another_kind_are_refused_before_ncnn_sees_them(photos):
    with pytest.raises(EngineError, match=r"ncnn-fp32: takes uint8 \[N, 224, 224, 3\], got"):
        open_model(FP32_VARIANT, COLOURS, 1).run(photos)


def test_features_that_the_model_has_not_are_an_error():
    with pytest.raises(EngineError, match="features"):
        open_model(FP32_VARIANT, COLOURS, 1).run_with_features(plain_photos(1))


def test_an_answer_that_is_not_finite_is_none():
    weights = bytes(4) + np.full((3, 3), np.inf, "<f4").tobytes() + bytes(12)
    with pytest.raises(NotFiniteError):
        open_model(FP32_VARIANT, (FEATURES[0], weights), 1).run(plain_photos(0))


@pytest.mark.skipif(ENGINES.load("ncnn").offers(FP16), reason="this processor computes in fp16")
def test_fp16_is_not_opened_where_the_processor_has_none():
    with pytest.raises(EngineError, match="ncnn-fp16: this CPU has no fp16 arithmetic"):
        open_model(FP16_VARIANT, COLOURS, 1)


@pytest.fixture
def bundle(make_bundle, colour_model):
    """A bundle with a model for ONNX Runtime and one for ncnn, alike."""
    return make_bundle(
        files={"model.onnx": colour_model, "m.param": COLOURS[0], "m.bin": COLOURS[1]},
        variants=(Variant("onnxruntime-fp32", ("model.onnx",)), FP32_VARIANT, FP16_VARIANT),
    )


def test_a_bundle_answers_with_it(bundle):
    with Classifier.open(bundle, "ncnn-fp32") as classifier:
        answer = classifier.predict(plain_photos((0, 255, 0))[0])
    assert answer.label == "green"


def test_a_model_for_photos_of_another_size_than_the_bundles_is_refused(make_bundle):
    layers = [Layer("Input", (), ("image",), {"side": 32, "channels": 3})]
    layers.append(Layer("Pooling", ("image",), ("logits",)))
    files = {"m.param": write_param(layers), "m.bin": b""}
    folder = make_bundle(files=files, variants=(FP32_VARIANT,))
    with pytest.raises(EngineError, match=r"takes uint8 \[N, 32, 32, 3\]"):
        open_engine(load_bundle(folder), "ncnn-fp32", 1)


PREDICT = """
import sys
import numpy as np

missing, bundle, *variant = sys.argv[1:]
sys.modules[missing] = None
from edgecat import Classifier
from edgecat.errors import EngineError

try:
    with Classifier.open(bundle, *variant) as classifier:
        answer = classifier.predict(np.full((300, 300, 3), (0, 0, 255), np.uint8))
        print(classifier.variant, answer.label)
except EngineError as error:
    print(error)
"""


def predict_without(library, bundle, *variant):
    command = [sys.executable, "-c", PREDICT, library, str(bundle), *variant]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_without_onnxruntime_it_is_taken(bundle):
    assert predict_without("onnxruntime", bundle) == "ncnn-fp32 blue\n"
    said = predict_without("onnxruntime", bundle, "onnxruntime-fp32")
    assert "ONNX Runtime is not installed" in said
    assert "pip install 'onnxruntime'" in said


def test_without_it_the_bundle_is_whole_and_the_message_has_the_command(bundle):
    assert predict_without("ncnn", bundle) == "onnxruntime-fp32 blue\n"
    said = predict_without("ncnn", bundle, "ncnn-fp32")
    assert "ncnn is not installed" in said
    assert "pip install 'edgecat[ncnn]'" in said


IDLE = """
import sys, time
import numpy as np
from edgecat.runtime.classifier import Classifier

photo = np.zeros((1, 224, 224, 3), np.uint8)
idle_s = 0.0
with Classifier.open(sys.argv[1], "ncnn-fp32", threads=2, power_save=sys.argv[2] == "1") as model:
    for _ in range(5):
        model.compute_logits(photo)
        answered = time.process_time()
        time.sleep(0.05)
        idle_s += time.process_time() - answered
print(idle_s)
"""


@pytest.mark.slow
@pytest.mark.skipif(count_threads() < 2, reason="on one core no second thread waits")
def test_waiting_threads_sleep_if_asked_to(make_bundle):
    files = {"m.param": FEATURES[0], "m.bin": FEATURES[1]}
    folder = make_bundle(files=files, variants=(FP32_VARIANT,))
    idle_s = [
        float(subprocess.check_output([sys.executable, "-c", IDLE, str(folder), power_save]))
        for power_save in ("0", "1")
    ]
    assert idle_s[1] < idle_s[0] / 2
