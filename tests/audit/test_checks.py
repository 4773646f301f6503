"""Each fault is found by its check, and by no other that has nothing to do with it."""

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from edgecat.audit.features import FeatureModel
from edgecat.photos.input import IMAGENET
from tests.audit.conftest import HUES, measure_colours, paint


def test_good_photos_are_left_alone(hues, found_in):
    assert found_in(hues) == {}


def spoil_bytes(photo):
    photo.write_bytes(photo.read_bytes()[:2000])


def spoil_empty(photo):
    photo.write_bytes(b"")


def spoil_ending(photo):
    Image.open(photo).save(photo, "PNG")


def spoil_dark(photo):
    ImageEnhance.Brightness(Image.open(photo)).enhance(0.1).save(photo)


def spoil_sharpness(photo):
    Image.open(photo).filter(ImageFilter.GaussianBlur(4)).save(photo, quality=98)


def spoil_size(photo):
    Image.open(photo).resize((270, 216)).save(photo)


def spoil_shape(photo):
    Image.open(photo).resize((1500, 300)).save(photo)


def spoil_plain(photo):
    page = Image.open(photo)
    page.paste("white", (0, 0, 320, 220))
    page.save(photo)


FAULTS = {
    "unreadable": spoil_bytes,
    "unreadable ": spoil_empty,
    "ending": spoil_ending,
    "dark": spoil_dark,
    "blurred": spoil_sharpness,
    "small": spoil_size,
    "shape": spoil_shape,
    "plain": spoil_plain,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_photo_is_found(hues, found_in, name):
    FAULTS[name](hues / "green" / "3.jpg")
    found = found_in(hues)
    (finding,) = found.pop(name.strip())
    assert finding.photos == ("green/3.jpg",)
    found.pop("label", None)  # a photo without its colour is doubtful as well
    assert found == {}


def test_an_exact_copy_is_left_out_and_the_first_one_kept(hues, found_in):
    shutil.copy(hues / "red" / "1.jpg", hues / "red" / "again.jpg")
    found = found_in(hues)
    assert [finding.photos for finding in found["copy"]] == [("red/1.jpg", "red/again.jpg")]
    assert found["copy"][0].left_out == ("red/again.jpg",)
    assert "near_copy" not in found


def test_another_size_of_a_photo_is_a_near_copy(hues, found_in):
    Image.open(hues / "red" / "1.jpg").resize((400, 320)).save(hues / "red" / "large.png")
    found = found_in(hues)
    assert [finding.photos for finding in found["near_copy"]] == [("red/1.jpg", "red/large.png")]
    assert found["near_copy"][0].left_out == ()


def test_one_photo_in_two_classes_is_a_conflict_and_both_are_left_out(hues, found_in):
    shutil.copy(hues / "red" / "1.jpg", hues / "blue" / "red.jpg")
    (conflict,) = found_in(hues)["conflict"]
    assert set(conflict.left_out) == set(conflict.photos) == {"red/1.jpg", "blue/red.jpg"}


def test_a_copy_in_train_of_a_test_photo_is_a_leak(hues, found_in, tmp_path):
    for number in range(8):
        split = "test" if number < 3 else "train"
        for label in HUES:
            (tmp_path / "set" / split / label).mkdir(parents=True, exist_ok=True)
            (hues / label / f"{number}.jpg").rename(
                tmp_path / "set" / split / label / f"{number}.jpg"
            )
    shutil.copy(tmp_path / "set/test/red/1.jpg", tmp_path / "set/train/red/copy.jpg")
    (leak,) = found_in(tmp_path / "set")["leak"]
    assert leak.photos == ("test/red/1.jpg", "train/red/copy.jpg")
    assert leak.left_out == ("train/red/copy.jpg",)


def test_a_photo_under_the_label_of_another_class_is_in_doubt(hues, found_in):
    (hues / "red" / "1.jpg").rename(hues / "blue" / "wrong.jpg")
    first = found_in(hues)["label"][0]
    assert first.photos == ("blue/wrong.jpg",)
    assert "'blue'? Looks like 'red'" in first.text
    assert first.left_out == ()  # a person decides


def test_a_link_out_of_the_folder_is_told_and_one_within_is_not(hues, found_in, tmp_path):
    paint(np.random.default_rng(9), HUES["red"]).save(tmp_path / "elsewhere.jpg")
    (hues / "red" / "out.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    (hues / "red" / "in.jpg").symlink_to(hues / "red" / "1.jpg")
    (hues / "red" / "loop.jpg").symlink_to("loop.jpg")
    found = found_in(hues)
    assert [finding.photos for finding in found["link"]] == [("red/out.jpg",)]
    assert [finding.photos for finding in found["unreadable"]] == [("red/loop.jpg",)]


def test_small_classes_are_named(hues, found_in):
    for number in range(3, 8):
        (hues / "blue" / f"{number}.jpg").unlink()
    assert [finding.text for finding in found_in(hues)["imbalance"]] == [
        "'blue' has 3 photos; finetune needs 5"
    ]
    (hues / "blue" / "2.jpg").unlink()
    assert "'blue' has 2 photos, 'green' has 8 (1:4.0)" in found_in(hues)["imbalance"][0].text


KNOWING = FeatureModel("knowing", IMAGENET, measure_colours, tuple(HUES), -50.0)


def test_what_a_bundle_calls_unknown_is_an_outlier(hues, found_in):
    paint(np.random.default_rng(9), (120, 120, 120)).save(hues / "red" / "grey.jpg")
    assert [finding.photos for finding in found_in(hues, KNOWING)["outlier"]] == [("red/grey.jpg",)]


def test_a_bundle_of_other_classes_looks_for_no_outliers(hues, look):
    (hues / "red").rename(hues / "purple")
    (checked,) = [one for one in look(hues, KNOWING).checked if one.name == "outlier"]
    assert checked.describe() == "not looked for: knowing does not know purple"


def test_a_bundle_that_has_learned_these_labels_is_not_trusted_blindly(hues, look):
    model = FeatureModel("known", IMAGENET, KNOWING.run, was_trained=lambda sha256: True)
    (checked,) = [one for one in look(hues, model).checked if one.name == "label"]
    assert "CAREFUL: known was trained on 24 of these photos" in checked.describe()


# Bad data sets


def test_one_class_alone_has_no_labels_to_judge(hues, look):
    shutil.rmtree(hues / "red")
    shutil.rmtree(hues / "blue")
    result = look(hues)
    (checked,) = [one for one in result.checked if one.name == "label"]
    assert "not looked for: fewer than two classes" in checked.describe()
    assert result.to_dict()["label_ranking"] == []


def test_ten_photos_are_audited(draw_photos, look):
    assert len(look(draw_photos()).to_dict()["label_ranking"]) == 10


def test_a_folder_of_broken_photos_is_told_whole(hues, found_in):
    for photo in hues.glob("*/*"):
        photo.write_text("no photo")
    assert {name: len(found) for name, found in found_in(hues).items()} == {"unreadable": 24}


def test_a_zip_file_is_audited_as_the_folder_in_it(hues, found_in, tmp_path):
    shutil.copy(hues / "red" / "1.jpg", hues / "blue" / "red.jpg")
    spoil_dark(hues / "green" / "3.jpg")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as packed:
        for photo in hues.rglob("*.jpg"):
            packed.write(photo, photo.relative_to(hues.parent))
    assert found_in(tmp_path / "photos.zip") == found_in(hues)
