"""Explanations: the answer is predict's, and the heat is where the evidence was planted."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy.pointing import load_right_photos, play
from edgecat.bundle.manifest import Variant
from edgecat.bundle.ncnn_file import Layer, write_param
from edgecat.bundle.store import load_bundle
from edgecat.errors import BundleError, ConfigError, EngineError, ImageError
from edgecat.photos.folder import find_photos
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import open_model, run_with_map
from edgecat.runtime.explanation import Explanation
from edgecat.runtime.picture_file import PictureFolder

# A mean of 49 float32 values in another order, of values up to 255.
MEAN_TOLERANCE = 1e-3
# INT8 models pool in INT8: of features up to 4, one step of their grid and its rounding.
INT8_TOLERANCE = 0.3


def plant(colour, row, column):
    """A grey photo of the model's size with a patch of a colour in one of 7 x 7 places."""
    photo = np.full((256, 256, 3), 90, np.uint8)
    top, left = 16 + 32 * row, 16 + 32 * column
    photo[top : top + 32, left : left + 32] = colour
    return photo


@pytest.fixture
def patches(make_bundle, patch_model):
    with Classifier.open(make_bundle(files={"model.onnx": patch_model})) as classifier:
        yield classifier


@pytest.mark.parametrize(("row", "column"), [(0, 0), (6, 6), (2, 5), (4, 1)])
@pytest.mark.parametrize(
    ("label", "colour"), [("red", (255, 0, 0)), ("green", (0, 255, 0)), ("blue", (0, 0, 255))]
)
def test_the_heat_of_a_class_is_where_its_patch_is(patches, label, colour, row, column):
    explanation = patches.explain(plant(colour, row, column), label=label)
    assert explanation.label == label
    assert np.unravel_index(explanation.heat.argmax(), explanation.heat.shape) == (row, column)
    assert f"{label} is seen at" in explanation.describe()


def test_the_answer_is_predicts_and_the_heat_that_of_the_likeliest_class(patches):
    photo = plant((0, 0, 255), 3, 3)
    explanation, prediction = patches.explain(photo, top=2), patches.predict(photo, top=2)
    assert explanation.label == prediction.label
    assert explanation.prediction.top == prediction.top
    assert explanation.prediction.is_known == prediction.is_known
    assert explanation.prediction.stage_ms.model > 0


@pytest.mark.parametrize("name", ["onnxruntime-fp32", "onnxruntime-int8"])
def test_the_released_models_features_are_the_mean_of_the_map_that_they_tell(name):
    tolerance = MEAN_TOLERANCE if name.endswith("fp32") else INT8_TOLERANCE
    photos = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    with Classifier.open("cats12", name, threads=1) as classifier:
        logits, features, feature_map = run_with_map(classifier.engine, photos)
        plain_logits, plain_features = classifier.engine.run_with_features(photos)
    assert feature_map.shape == (3, 576, 7, 7)
    assert np.array_equal(logits, plain_logits)
    assert np.array_equal(features, plain_features)
    assert feature_map.mean(axis=(2, 3)) == pytest.approx(features, abs=tolerance)


def test_openvino_tells_the_same_map(patch_model):
    pytest.importorskip("openvino", reason="needs openvino")
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    from edgecat.graph.to_openvino import export_openvino

    files = export_openvino(onnx.load_from_string(patch_model))
    engine = open_model(Variant("openvino-fp32", ("a.xml", "a.bin")), files, 1)
    reference = open_model(Variant("onnxruntime-fp32", ("a.onnx",)), [patch_model], 1)
    photos = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    for batch in (photos[:1], photos):
        for found, expected in zip(
            run_with_map(engine, batch), run_with_map(reference, batch), strict=True
        ):
            assert found == pytest.approx(expected, abs=MEAN_TOLERANCE)
    assert engine.run(photos).shape == (3, 3)


def test_ncnn_tells_the_map_that_its_features_are_the_mean_of():
    pytest.importorskip("ncnn", reason="needs ncnn")
    layers = [
        Layer("Input", (), ("image",), {"side": 64, "channels": 3}),
        Layer("ReLU", ("image",), ("0",)),
        Layer("Pooling", ("0",), ("1",)),
        Layer("Split", ("1",), ("2", "features")),
        Layer("InnerProduct", ("2",), ("logits",), {"channels": 3, "weights": 9}),
    ]
    numbers = bytes(4) + np.eye(3, dtype="<f4").tobytes() + bytes(12)
    engine = open_model(Variant("ncnn-fp32", ("a", "b")), (write_param(layers), numbers), 1)
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    logits, features, feature_map = run_with_map(engine, photos)
    assert feature_map == pytest.approx(photos.transpose(0, 3, 1, 2).astype(np.float32))
    assert feature_map.mean(axis=(2, 3)) == pytest.approx(features, abs=1e-2)
    assert logits == pytest.approx(features, abs=1e-2)


@pytest.mark.slow
def test_the_released_model_points_at_the_right_one_of_four_cats(shared):
    photos = find_photos(shared / "cats")[::7]
    with Classifier.open("cats12", threads=1) as classifier:
        hits = play(classifier, load_right_photos(classifier, photos), num_pictures=15).hits
    # By chance it would be a quarter; more than half of 60 in one of 100,000 games.
    assert hits.mean() > 0.5


def test_a_label_that_is_none_is_refused_with_those_that_are(patches):
    with pytest.raises(
        ConfigError, match=r"'Red': did you mean 'red'\? the classes are red, green, blue"
    ):
        patches.explain(plant((9, 9, 9), 0, 0), label="Red")
    with pytest.raises(ConfigError, match="--top 0"):
        patches.explain(plant((9, 9, 9), 0, 0), top=0)


def test_a_broken_photo_is_refused_as_by_predict(patches):
    with pytest.raises(ImageError, match="not a photo"):
        patches.explain(b"no photo")


def test_a_model_without_a_map_is_refused_with_a_reason(make_bundle, colour_model):
    folder = make_bundle(files={"model.onnx": colour_model})
    with Classifier.open(folder) as classifier, pytest.raises(EngineError, match="no map to exp"):
        classifier.explain(plant((9, 9, 9), 0, 0))


def test_an_engine_that_tells_no_map_is_refused():
    with pytest.raises(EngineError, match=r"zrt-fp32: this engine tells no feature map.*--variant"):
        run_with_map(SimpleNamespace(name="zrt-fp32"), np.zeros((1, 8, 8, 3), np.uint8))


def test_a_bundle_whose_head_has_another_number_of_classes_is_refused(
    make_bundle, patch_model, monkeypatch
):
    from edgecat.bundle.head import load_head

    bundle = load_bundle(make_bundle(labels=("a", "b"), files={"model.onnx": patch_model}))
    with pytest.raises(BundleError, match="3 units in the output layer"):
        load_head(bundle)


def test_a_head_that_reads_another_number_of_features_is_refused(make_bundle, patch_model):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    forged = onnx.load_from_string(patch_model)
    (first,) = (one for one in forged.graph.initializer if one.name == "first.weight")
    first.CopyFrom(onnx.numpy_helper.from_array(np.zeros((5, 4), np.float32), first.name))
    names = ("onnxruntime-fp32", "onnxruntime-int8")
    folder = make_bundle(
        files={"model.onnx": forged.SerializeToString(), "int8.onnx": patch_model},
        variants=tuple(map(Variant, names, (("model.onnx",), ("int8.onnx",)))),
    )
    with (
        Classifier.open(folder, names[1]) as classifier,
        pytest.raises(BundleError, match="reads 4 features, the model has 3; export"),
    ):
        classifier.explain(plant((9, 9, 9), 0, 0))


def test_a_picture_shows_what_the_model_saw_and_the_heat_beside_it(patches):
    explanation = patches.explain(plant((255, 0, 0), 1, 5), label="red")
    picture = np.asarray(Image.open(io.BytesIO(explanation.draw())))
    assert picture.shape == (224, 2 * 224 + 4, 3)
    assert np.array_equal(picture[:, :224], explanation.pixels)
    overlay = picture[:, 228:].astype(int)
    # Brighter in the patch's middle than in the middle of any other place.
    brightness = overlay.sum(axis=2)[16::32, 16::32]
    assert np.unravel_index(brightness.argmax(), brightness.shape) == (1, 5)


def test_a_heat_that_is_nowhere_positive_is_drawn_cold(patches):
    explanation = patches.explain(plant((255, 0, 0), 1, 5))
    cold = Explanation(explanation.prediction, "red", -np.ones((7, 7), np.float32),
                       explanation.pixels)  # fmt: skip
    nothing = Explanation(explanation.prediction, "red", np.zeros((7, 7), np.float32),
                          explanation.pixels)  # fmt: skip
    assert cold.draw() == nothing.draw()


@pytest.mark.parametrize(
    ("photos", "names"),
    [
        (["a/cat.jpg", "b/cat.jpg", "b/CAT.png"], ["cat.png", "cat-2.png", "CAT-3.png"]),
        (["a b';$(rm).jpg"], ["a-b-rm.png"]),
        (["고양이.jpg"], ["고양이.png"]),
        (["...jpg", "-.jpg"], ["photo.png", "photo-2.png"]),
        ([f"{'x' * 250}.jpg"], [f"{'x' * 50}.png"]),
    ],
)
def test_pictures_have_safe_names_of_their_own(tmp_path, photos, names):
    from pathlib import Path

    folder = PictureFolder(tmp_path / "out" / "deep")
    written = [folder.write(Path(photo), b"png").name for photo in photos]
    assert written == names
    assert sorted(path.name for path in folder.path.iterdir()) == sorted(names)
