"""Photos of known classes and strangers."""

import dataclasses
import io

import numpy as np
import pytest

from edgecat.errors import BundleError
from edgecat.scores.ood import KEPT_RATIO, OodDetector, choose_threshold, fit_detector, log_sum_exp

NUM, NUM_CLASSES, NUM_FEATURES = 400, 4, 64


@pytest.fixture(scope="module")
def cluster():
    """Features of four classes along four directions, with little noise, and their logits."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, NUM_CLASSES, NUM)
    axes = np.linalg.qr(rng.normal(size=(NUM_FEATURES, NUM_CLASSES)))[0].T
    features = 10 * axes[classes] + rng.normal(0, 0.1, (NUM, NUM_FEATURES))
    logits = np.eye(NUM_CLASSES)[classes] * 5
    return logits.astype(np.float32), features.astype(np.float32)


def test_strangers_with_as_large_logits_score_higher(cluster):
    logits, features = cluster
    detector = fit_detector(logits[::2], features[::2])
    own = detector.ood_score(logits[1::2], features[1::2])
    rng = np.random.default_rng(1)
    strange = features[1::2] + rng.normal(0, 1, features[1::2].shape).astype(np.float32)
    assert detector.ood_score(logits[1::2], strange).min() > own.max()


def test_larger_logits_score_lower(cluster):
    logits, features = cluster
    detector = fit_detector(logits, features)
    assert (detector.ood_score(logits * 2, features) < detector.ood_score(logits, features)).all()


def test_as_many_directions_as_classes_are_kept(cluster):
    detector = fit_detector(*cluster)
    assert detector.directions.shape == (NUM_CLASSES, NUM_FEATURES)
    lengths = np.linalg.norm(detector.directions.astype(np.float64), axis=1)
    assert lengths == pytest.approx(1, abs=1e-2)


def test_many_classes_keep_at_most_half_of_the_directions():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 100)).astype(np.float32)
    features = rng.normal(size=(200, 30)).astype(np.float32)
    assert len(fit_detector(logits, features).directions) == 15


def test_features_that_are_all_the_same_still_give_numbers():
    logits, features = np.ones((10, 3), np.float32), np.ones((10, 8), np.float32)
    detector = fit_detector(logits, features)
    assert np.isfinite(detector.ood_score(logits, features)).all()


def test_the_threshold_keeps_its_share():
    scores = np.random.default_rng(0).normal(size=1000)
    kept = (scores <= choose_threshold(scores)).mean()
    assert KEPT_RATIO <= kept < KEPT_RATIO + 0.002


def test_it_is_the_same_after_a_trip_through_a_file(cluster):
    detector = fit_detector(*cluster)
    read = OodDetector.from_bytes(detector.to_bytes(), detector.residual_weight, "ood.npy")
    assert np.array_equal(read.ood_score(*cluster), detector.ood_score(*cluster))


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return file.getvalue()


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped():
    file = io.BytesIO()
    np.savez(file, np.zeros((3, 4), np.float16))
    return file.getvalue()


def larger_than_any_memory():
    file = io.BytesIO()
    header = {"descr": "<f2", "fortran_order": False, "shape": (2**24, 2**24)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"no array", pickled(), saved(np.zeros((3, 4))), saved(np.zeros((1, 4), np.float16)),
     saved(np.zeros(4, np.float16)), saved(np.zeros((3, 4), np.float16))[:-1], zipped(),
     larger_than_any_memory()],
    ids=["empty", "rubbish", "a pickle", "float64", "no direction", "one axis", "cut off", "zipped",
         "huge"],
)  # fmt: skip
def test_another_file_is_refused(data):
    with pytest.raises(BundleError, match="export it again"):
        OodDetector.from_bytes(data, 1.0, "ood.npy")


def test_features_of_another_model_are_refused(cluster):
    logits, features = cluster
    with pytest.raises(BundleError, match="made for 64 features, the model has 63"):
        fit_detector(logits, features).ood_score(logits, features[:, 1:])


def test_the_sum_of_exponentials_does_not_overflow():
    logits = np.array([[1000.0, 1000.0], [-1000.0, -1001.0]], np.float32)
    assert log_sum_exp(logits) == pytest.approx([1000 + np.log(2), -1000 + np.log1p(np.exp(-1))])


def test_the_weight_makes_residuals_as_large_as_logits(cluster):
    logits, features = cluster
    detector = fit_detector(logits, features)
    unweighted = dataclasses.replace(detector, residual_weight=1.0)
    residual = unweighted.ood_score(logits, features) + log_sum_exp(logits)
    assert detector.residual_weight * residual.mean() == pytest.approx(logits.max(axis=1).mean())


FORGED = {
    "a huge size": "{'descr': '<f2', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    "a truth as a size": "{'descr': '<f2', 'fortran_order': True, 'shape': (True,)}",
    "keys that cannot be sorted": "{1: 2, 'descr': '<f2'}",
    "brackets that do not close": "{'descr': ((((",
}


@pytest.mark.parametrize("header", FORGED.values(), ids=FORGED)
def test_an_array_with_a_forged_header_is_a_broken_bundle(header):
    text = header.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)
    with pytest.raises(BundleError, match=r"ood\.npy: cannot be read"):
        OodDetector.from_bytes(data, 1.0, "ood.npy")
