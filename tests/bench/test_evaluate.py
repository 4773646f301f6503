import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecat.bench.evaluate import answer_known_photos, evaluate
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, PhotoRecord
from edgecat.bundle.store import load_bundle
from edgecat.errors import ConfigError, DatasetError
from edgecat.photos.pixels import load_pixels
from edgecat.progress import Silent
from edgecat.scores.evaluation import score

LABELS = ("class 0", "class 1", "class 2")
FIELDS = {
    "variant",
    "split",
    "num_images",
    "num_seen",
    "top1_ratio",
    "top1_interval_ratio",
    "macro_f1_ratio",
    "per_class",
}


class FakeEngine:
    """Knows the photos of a folder by heart; of those in `wrong` it says the next class."""

    def __init__(self, root, wrong=(), name="onnxruntime-fp32"):
        self.name, self.batches, self.answers = name, [], {}
        for path in sorted(root.rglob("*.jpg")):
            number = LABELS.index(path.parent.name.replace("_", " "))
            answer = (number + (path.name in wrong)) % len(LABELS)
            self.answers[load_pixels(path).tobytes()] = answer

    def run(self, batch):
        self.batches.append(len(batch))
        return np.eye(3, dtype=np.float32)[[self.answers[pixels.tobytes()] for pixels in batch]]


def digits(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def bundle_that_saw(make_bundle, root, train=(), test=()):
    seen = PhotoRecord(
        train=tuple(digits(root / path) for path in train),
        test=tuple(digits(root / path) for path in test),
    )
    return load_bundle(
        make_bundle(labels=LABELS, files={PHOTO_RECORD_FILE: seen.to_json().encode()})
    )


class Notes(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def test_the_json_has_exactly_these_fields_and_right_numbers(make_bundle, draw_photos):
    root = draw_photos(num_classes=2, num_per_class=4)
    bundle = load_bundle(make_bundle(labels=LABELS))
    (found,) = evaluate(bundle, [FakeEngine(root, wrong=["3.jpg"])], root)
    values = json.loads(json.dumps(found.to_dict()))
    assert set(values) == FIELDS
    assert (values["variant"], values["split"]) == ("onnxruntime-fp32", "all")
    assert (values["num_images"], values["num_seen"], values["top1_ratio"]) == (8, 0, 0.75)
    low, high = values["top1_interval_ratio"]
    assert low < 0.75 < high
    # Class 0: recall 3/4, precision 3/3; class 1: recall 3/4, precision 3/4 (one of class 0).
    assert values["per_class"] == {
        "class 0": {"num_images": 4, "recall_ratio": 0.75, "precision_ratio": 1.0},
        "class 1": {"num_images": 4, "recall_ratio": 0.75, "precision_ratio": 0.75},
    }
    assert values["macro_f1_ratio"] == pytest.approx((6 / 7 + 3 / 4) / 2)


def test_a_score_of_few_photos_is_told_by_its_interval_and_with_a_warning(make_bundle, draw_photos):
    root = draw_photos(num_classes=3, num_per_class=1)
    (found,) = evaluate(load_bundle(make_bundle(labels=LABELS)), [FakeEngine(root)], root)
    assert found.describe() == (
        "top-1 43.9 to 100.0 % (95 % interval; 3 of 3 photos right, 100.0 %), macro F1 100.0 %"
    )
    assert found.warn().startswith("CAREFUL: fewer than 10 photos of class 0 (1), class 1 (1)")


def test_all_engines_answer_the_same_photos_read_once(make_bundle, draw_photos):
    root = draw_photos(num_classes=3, num_per_class=14)  # more than a batch
    engines = [FakeEngine(root), FakeEngine(root, wrong=["0.jpg"], name="openvino-fp32")]
    found = evaluate(load_bundle(make_bundle(labels=LABELS)), engines, root)
    assert [evaluation.variant for evaluation in found] == ["onnxruntime-fp32", "openvino-fp32"]
    assert [evaluation.top1_ratio for evaluation in found] == [1.0, 39 / 42]
    assert [sum(engine.batches) for engine in engines] == [42, 42]


def test_a_photo_of_another_class_is_another_photo(make_bundle, draw_photos):
    root = draw_photos(num_classes=2, num_per_class=2)
    bundle, engine = load_bundle(make_bundle(labels=LABELS)), FakeEngine(root)
    before = answer_known_photos(bundle, [engine], root)
    (root / "class_0/0.jpg").rename(root / "class_0/renamed.jpg")
    renamed = answer_known_photos(bundle, [engine], root)
    assert renamed.photos_sha256 == before.photos_sha256
    (root / "class_0/renamed.jpg").rename(root / "class_1/renamed.jpg")
    corrected = answer_known_photos(bundle, [engine], root)
    assert corrected.list_right() != before.list_right()  # though the model answers as before
    assert corrected.photos_sha256 != before.photos_sha256


def test_a_subset_of_the_labels_is_enough(make_bundle, draw_photos):
    root = draw_photos(num_classes=1)
    (found,) = evaluate(load_bundle(make_bundle(labels=LABELS)), [FakeEngine(root)], root)
    assert found.top1_ratio == found.macro_f1_ratio == 1.0
    assert set(found.per_class) == {"class 0"}


def test_unknown_labels_are_all_named(make_bundle, draw_photos):
    root = draw_photos(num_classes=5, num_per_class=1)
    with pytest.raises(DatasetError, match="does not know 'class 3', 'class 4'; it knows class 0"):
        evaluate(load_bundle(make_bundle(labels=LABELS)), [], root)


TRAIN = ["class_0/0.jpg", "class_0/1.jpg", "class_1/0.jpg"]
TEST = ["class_0/2.jpg", "class_1/2.jpg"]
# split asked for -> split reported, photos, of them seen
SPLITS = {None: ("test", 2, 0), "test": ("test", 2, 0), "all": ("all", 10, 3)}


@pytest.mark.parametrize(("asked", "wanted"), SPLITS.items())
def test_of_a_folder_that_was_trained_on_only_the_test_photos_count(
    make_bundle, draw_photos, asked, wanted
):
    root = draw_photos()
    bundle = bundle_that_saw(make_bundle, root, TRAIN, TEST)
    (found,) = evaluate(bundle, [FakeEngine(root)], root, split=asked)
    assert (found.split, found.num_images, found.num_seen) == wanted


def test_of_a_folder_that_was_never_seen_all_photos_count(make_bundle, draw_photos):
    root, other = draw_photos(), draw_photos(seed=1, name="other")
    bundle = bundle_that_saw(make_bundle, other, TRAIN, TEST)
    (found,) = evaluate(bundle, [FakeEngine(root)], root)
    assert (found.split, found.num_images, found.num_seen) == ("all", 10, 0)


def test_a_score_on_training_photos_alone_says_so(make_bundle, draw_photos):
    root = draw_photos()
    everything = [str(path.relative_to(root)) for path in root.rglob("*.jpg")]
    bundle = bundle_that_saw(make_bundle, root, train=everything)
    (found,) = evaluate(bundle, [FakeEngine(root)], root)
    assert (found.split, found.num_images, found.num_seen) == ("all", 10, 10)


def test_a_renamed_training_photo_is_still_known(make_bundle, draw_photos):
    root = draw_photos()
    bundle = bundle_that_saw(make_bundle, root, TRAIN, TEST)
    (root / TRAIN[0]).rename(root / "class_0" / "new name.jpg")
    (found,) = evaluate(bundle, [FakeEngine(root)], root, split="all")
    assert found.num_seen == 3


def test_test_photos_asked_for_where_there_are_none_is_an_error(make_bundle, draw_photos):
    root = draw_photos()
    with pytest.raises(DatasetError, match="--split all"):
        evaluate(load_bundle(make_bundle(labels=LABELS)), [FakeEngine(root)], root, split="test")


def test_a_ready_test_folder_is_the_test_split(make_bundle, draw_photos, tmp_path):
    for number, split in enumerate(("train", "val", "test")):
        draw_photos(num_per_class=2, seed=number, name=f"split/{split}")
    root = tmp_path / "split"
    bundle = load_bundle(make_bundle(labels=LABELS))
    (found,) = evaluate(bundle, [FakeEngine(root)], root, split="test")
    assert (found.split, found.num_images) == ("test", 4)
    (found,) = evaluate(bundle, [FakeEngine(root)], root, split="all")
    assert (found.split, found.num_images) == ("all", 12)


TEST_LAYOUTS = {
    "by other names": ({"Training": 1, "Validation": 2, "Testing": 3}, "Testing"),
    "in a wrapper": ({"archive/train": 1, "archive/test": 3}, "archive/test"),
    "without train": ({"test": 3}, "test"),
}


@pytest.mark.parametrize(("splits", "test"), TEST_LAYOUTS.values(), ids=TEST_LAYOUTS)
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_every_layout_that_trains_can_be_measured_too(
    make_bundle, draw_photos, tmp_path, splits, test, zipped
):
    for number, (split, num) in enumerate(splits.items()):
        draw_photos(num_per_class=num, seed=number, name=f"data/{split}")
    root = data = tmp_path / "data"
    if zipped:
        data = Path(shutil.make_archive(str(root), "zip", root))
    bundle, notes = load_bundle(make_bundle(labels=LABELS)), Notes()
    engine = FakeEngine(root, wrong=["2.jpg"])
    (found,) = evaluate(bundle, [engine], data, split="test", progress=notes)
    assert (found.num_images, found.top1_ratio) == (6, 4 / 6)
    assert f"{Path(test).name}/ is test (6)" in notes.lines[0]


def test_test_photos_that_training_took_from_train_are_found_by_their_hashes(
    make_bundle, draw_photos, tmp_path
):
    root = draw_photos(name="data/train")
    bundle = bundle_that_saw(make_bundle, root, TRAIN, TEST)
    (found,) = evaluate(bundle, [FakeEngine(root)], tmp_path / "data")
    assert (found.split, found.num_images, found.num_seen) == ("test", 2, 0)


@pytest.mark.parametrize("split", ["tset", "train"])
def test_an_unknown_split_is_refused_never_taken_for_all(make_bundle, draw_photos, split):
    root = draw_photos()
    with pytest.raises(ConfigError, match="test"):
        evaluate(load_bundle(make_bundle(labels=LABELS)), [FakeEngine(root)], root, split=split)


def test_broken_photos_are_refused_or_left_out_when_asked(make_bundle, draw_photos):
    root = draw_photos()
    engine = FakeEngine(root)
    (root / "class_0" / "broken.jpg").write_bytes(b"x")
    bundle = load_bundle(make_bundle(labels=LABELS))
    with pytest.raises(DatasetError, match=r"broken\.jpg"):
        evaluate(bundle, [engine], root)
    notes = Notes()
    (found,) = evaluate(bundle, [engine], root, skip_broken=True, progress=notes)
    assert found.num_images == 10
    understood, broken = notes.lines
    assert understood.endswith("a folder per class, 11 photos of 2 classes")
    assert "broken.jpg" in broken


def test_only_broken_photos_are_an_error_even_when_skipped(make_bundle, tmp_path):
    (tmp_path / "data" / "class_0").mkdir(parents=True)
    (tmp_path / "data" / "class_0" / "a.jpg").write_bytes(b"x")
    bundle = load_bundle(make_bundle(labels=LABELS))
    with pytest.raises(DatasetError, match="no photo could be read"):
        evaluate(bundle, [], Path(tmp_path / "data"), skip_broken=True)


def test_a_score_of_no_photos_is_no_accuracy_of_one():
    found = score("onnxruntime-fp32", "all", LABELS, np.array([], np.int64), np.empty((0, 3)))
    assert (found.num_images, found.top1_ratio, found.top1_interval_ratio) == (0, 0.0, (0.0, 1.0))
    assert found.per_class == {}
