"""One preprocessing, whatever the network takes: its facts are data, and everybody obeys them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from edgecat.bundle.golden import hash_pixels
from edgecat.photos.folder import find_photos
from edgecat.photos.input import IMAGENET, INTERPOLATIONS, InputSpec
from edgecat.photos.pixels import central_crop, load_batch, load_pixels, scale_photo
from edgecat.progress import Silent

ODD = InputSpec(
    side_px=96,
    shorter_side_px=107,
    mean_ratio=(0.5, 0.4, 0.3),
    std_ratio=(0.5, 0.25, 0.125),
    interpolation="bicubic",
)


@pytest.fixture
def root(draw_photos):
    return draw_photos(num_classes=2, num_per_class=5)


@pytest.fixture
def wanted(root):
    """What Pillow alone makes of each photo: they are 96 x 72 pixels, so 142 x 107 when scaled."""
    found = []
    for photo in find_photos(root):
        scaled = np.asarray(Image.open(photo.path).resize((142, 107), Image.Resampling.BICUBIC))
        found.append(scaled[6:102, 23:119])  # half to even: (107 - 96) / 2, (142 - 96) / 2
    return found


def test_the_facts_of_a_network_decide_its_pixels(root, wanted):
    paths = [photo.path for photo in find_photos(root)]
    assert np.array_equal(load_batch(paths, ODD), np.stack(wanted))
    assert load_pixels(paths[0], ODD).shape == ODD.shape == (96, 96, 3)
    assert scale_photo(paths[0], ODD).shape == (107, 142, 3)
    assert central_crop(scale_photo(paths[0], ODD), ODD).shape == (96, 96, 3)
    assert load_batch([], ODD).shape == (0, 96, 96, 3)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_each_interpolation_is_pillows_of_that_name(interpolation):
    image = Image.effect_noise((80, 60), 50).convert("RGB")
    spec = dataclasses.replace(ODD, side_px=32, shorter_side_px=32, interpolation=interpolation)
    expected = image.resize((42, 32), Image.Resampling[interpolation.upper()])
    assert np.array_equal(scale_photo(image, spec), np.asarray(expected))


@pytest.mark.slow
def test_a_large_photo_is_decoded_no_smaller_than_the_network_needs():
    image = Image.effect_noise((4000, 3000), 50).convert("RGB")
    import io

    data = io.BytesIO()
    image.save(data, "JPEG", quality=60)
    large = dataclasses.replace(IMAGENET, side_px=1024, shorter_side_px=1100)
    scaled = scale_photo(data.getvalue(), large)
    full = np.asarray(Image.open(data).resize(scaled.shape[1::-1], Image.Resampling.BILINEAR))
    # Decoded at 1/8 as for 256 px, noise would have lost most of its contrast.
    assert scaled.std() == pytest.approx(full.std(), rel=0.2)


def test_training_export_and_evaluation_see_the_same_pixels(root, wanted, tmp_path):
    pytest.importorskip("torch", reason="needs edgecat[train]")
    from edgecat.export.photos import RunPhotos
    from edgecat.photos.split import Split, SplitPhoto
    from edgecat.scores.answers import Interface, answer_photos
    from edgecat.train.cache import open_cache

    photos = find_photos(root)
    with open_cache(tmp_path / "cache", photos, ODD, Silent(), skip_broken=False) as cache:
        trained = cache.batch(range(len(photos)))
        hashes = list(cache.hashes)
    names = [photo.path.relative_to(root).as_posix() for photo in photos]
    rows = zip(names, photos, hashes, strict=True)
    split = Split(0, 0, tuple(SplitPhoto(n, p.label, h, "test") for n, p, h in rows))
    exported = RunPhotos(split, root, ODD, Silent()).pixels("photos", range(len(photos)))
    asked = []

    def note(batch):
        asked.append(batch)
        return np.zeros((len(batch), 2), np.float32)

    interface = Interface(ODD, sorted({photo.label for photo in photos}))
    answer_photos([note], interface, photos, Silent())
    for given in (trained, exported, np.concatenate(asked)):
        assert np.array_equal(given, np.stack(wanted))


def test_a_device_and_its_self_test_see_them_too(root, wanted, make_bundle, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    pytest.importorskip("torch", reason="needs edgecat[train]")
    from edgecat.export.golden import build_golden
    from edgecat.runtime.classifier import Classifier
    from edgecat.runtime.selftest import run_self_test
    from tests.conftest import build_colour_model

    model = build_colour_model(onnx, ODD.side_px)
    bundle = make_bundle(files={"model.onnx": model}, input=ODD)
    first = find_photos(root)[0].path
    with Classifier.open(bundle) as classifier:
        assert np.array_equal(classifier.load_pixels(first), wanted[0])
        means = classifier.answer(classifier.load_pixels(first)).logits
        golden = build_golden([classifier.engine], ODD)
    assert means == pytest.approx(wanted[0].mean(axis=(0, 1)), abs=1e-3)
    proven = make_bundle(
        name="proven", files={"model.onnx": model, "golden.json": golden.to_json().encode()},
        input=ODD,
    )  # fmt: skip
    with Classifier.open(proven) as classifier:
        assert run_self_test(classifier.bundle, classifier.engine).num_photos == 3
    assert golden.photos[0].pixels_sha256 != hash_pixels(np.zeros(ODD.shape, np.uint8))


def test_a_model_of_another_side_than_its_manifest_says_is_refused(make_bundle, colour_model):
    from edgecat.errors import EngineError
    from edgecat.runtime.classifier import Classifier

    bundle = make_bundle(files={"model.onnx": colour_model}, input=ODD)
    with pytest.raises(EngineError, match=r"does not answer uint8 \[1, 96, 96, 3\]"):
        Classifier.open(bundle)
