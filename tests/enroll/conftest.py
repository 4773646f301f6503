"""A real, tiny bundle of three colours that a fourth one can be added to."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from edgecat.bundle.golden import Golden, GoldenPhoto, hash_pixels
from edgecat.bundle.known_features import KnownFeatures, LabelledFeatures
from edgecat.bundle.manifest import OodSpec, Variant
from edgecat.bundle.photo_record import PhotoRecord
from edgecat.photos.pixels import load_batch, load_pixels
from edgecat.runtime.engine import open_graph
from edgecat.scores.ood import choose_threshold, fit_detector
from tests.conftest import draw_picture, write_bundle

COLOURS = ((230, 20, 20), (20, 230, 20), (20, 20, 230))
YELLOW = (230, 230, 20)


def draw_coloured(rng, colour):
    """A picture that is mostly of a colour: half of it, half of random blotches."""
    blotches = np.asarray(draw_picture(rng, (256, 256)), np.float32)
    mixed = 0.25 * blotches + 0.75 * np.array(colour, np.float32)
    return Image.fromarray(mixed.astype(np.uint8))


def encode(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def draw_class(tmp_path):
    """A function that makes a folder of different pictures of a colour."""

    def draw(colour=YELLOW, num=8, name="yellow", seed=5):
        rng, folder = np.random.default_rng(seed), tmp_path / name
        folder.mkdir()
        for number in range(num):
            (folder / f"{number}.png").write_bytes(encode(draw_coloured(rng, colour)))
        return folder

    return draw


@pytest.fixture(scope="session")
def colour_files(patch_model):
    """The files of the bundle, and what its manifest says of them."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 20)
    photos = load_batch([draw_coloured(rng, COLOURS[target]) for target in targets])
    engine = open_graph(patch_model, 1)
    logits, features = engine.run_with_features(photos)
    detector = fit_detector(logits, features)
    parts = [LabelledFeatures(features[i::2], targets[i::2]) for i in range(2)]
    drawn = encode(draw_coloured(rng, COLOURS[0]))
    pixels = load_pixels(drawn)
    answer = tuple(float(str(logit)) for logit in engine.run(pixels[None])[0])
    golden = GoldenPhoto(
        "red.png", base64.b64encode(drawn).decode(), hash_pixels(pixels),
        {"onnxruntime-fp32": answer},
    )  # fmt: skip
    files = {
        "model.onnx": patch_model,
        "features.npy": KnownFeatures(*parts).to_bytes(),
        "ood.npy": detector.to_bytes(),
        "golden.json": Golden((golden,)).to_json().encode(),
        "photos.json": PhotoRecord(train=("0" * 16,)).to_json().encode(),
    }
    threshold = choose_threshold(detector.ood_score(logits, features)) + 1
    variant = Variant("onnxruntime-fp32", ("model.onnx",), ood_threshold=threshold)
    return {
        "files": files,
        "variants": (variant,),
        "ood": OodSpec("ood.npy", detector.residual_weight),
    }


@pytest.fixture
def colours(tmp_path, colour_files):
    return write_bundle(tmp_path, name="colours.edgecat", **colour_files)
