import unicodedata

import pytest

from edgecat.errors import DatasetError
from edgecat.photos.folder import count_labels, find_photos, load_folder, load_training_folder
from edgecat.photos.labels import label_of


def make(root, *paths, data=b"x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def found(root):
    return [
        (str(photo.path.relative_to(root)), photo.label, photo.split) for photo in find_photos(root)
    ]


def test_a_folder_per_class_is_listed_sorted(tmp_path):
    make(tmp_path, "b/2.jpg", "b/10.jpg", "a/z.png", "a/deep/er/y.png")
    assert found(tmp_path) == [
        ("a/deep/er/y.png", "a", None),
        ("a/z.png", "a", None),
        ("b/10.jpg", "b", None),
        ("b/2.jpg", "b", None),
    ]


def test_a_ready_split_is_kept(tmp_path):
    make(tmp_path, "train/a/1", "train/b/2", "val/a/3", "test/b/4")
    assert found(tmp_path) == [
        ("test/b/4", "b", "test"),
        ("train/a/1", "a", "train"),
        ("train/b/2", "b", "train"),
        ("val/a/3", "a", "val"),
    ]


def test_one_class_is_counted_as_one(tmp_path):
    make(tmp_path, "a/1.jpg")
    assert load_folder(tmp_path).understood.endswith(": a folder per class, 1 photo of 1 class")


def test_photos_that_lie_in_no_class_folder_are_named_where_there_are_no_others(tmp_path):
    make(tmp_path, *(f"{number}.jpg" for number in range(5)))
    with pytest.raises(DatasetError) as refused:
        find_photos(tmp_path)
    assert "no photos in class folders (files in no class folder, not used: '0.jpg'," in str(
        refused.value
    )
    assert "and 2 more); it must hold one sub-folder per class" in str(refused.value)


NFC = unicodedata.normalize("NFC", "고양이 é")
LABELS = [
    ("Maine_Coon", "Maine Coon"),
    ("Maine Coon", "Maine Coon"),
    ("Maine   Coon_", "Maine Coon"),
    ("Foo, Bar; Baz", "Foo, Bar; Baz"),
    (NFC, NFC),
    (unicodedata.normalize("NFD", NFC), NFC),
    ("a.b", "a.b"),
    ("-x", "-x"),
]


@pytest.mark.parametrize(("folder", "label"), LABELS)
def test_the_label_of_a_folder(tmp_path, folder, label):
    assert label_of(folder) == label
    make(tmp_path, f"{folder}/1.jpg", "other/2.jpg")
    assert label in {photo.label for photo in find_photos(tmp_path)}


def test_litter_of_operating_systems_is_no_photo(tmp_path):
    make(tmp_path, "a/1.jpg", "a/.DS_Store", "a/Thumbs.db", "a/desktop.ini", "a/.hidden/2.jpg")
    make(tmp_path, ".git/3", "__MACOSX/a/._1.jpg", "b/__MACOSX/4", "b/._5.jpg", "b/6.jpg")
    assert [path for path, _, _ in found(tmp_path)] == ["a/1.jpg", "b/6.jpg"]


def test_any_other_file_counts_as_a_photo(tmp_path):
    make(tmp_path, "a/1.jpg", "a/notes.txt")
    assert len(find_photos(tmp_path)) == 2


@pytest.mark.parametrize(
    "what", ["missing", "empty", "a file", "empty classes", "photos, no class"]
)
def test_a_folder_without_photos_is_refused_and_told_what_is_wanted(tmp_path, what):
    root = tmp_path / "data"
    if what == "a file":
        root.write_text("x")
    elif what != "missing":
        root.mkdir()
    if what == "empty classes":
        (root / "a").mkdir()
        (root / "b").mkdir()
    if what == "photos, no class":
        make(root, "1.jpg", "2.jpg")
    with pytest.raises(DatasetError, match="sub-folder per class"):
        find_photos(root)


def test_one_class_is_listed_as_one(draw_photos):
    assert count_labels(find_photos(draw_photos(num_classes=1))) == {"class 0": 5}


def test_a_link_to_a_photo_and_to_a_folder_is_followed(tmp_path):
    make(tmp_path, "elsewhere/a/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "data" / "b").mkdir(parents=True)
    (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere" / "a")
    (tmp_path / "data" / "b" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "2.jpg")
    assert [path for path, _, _ in found(tmp_path / "data")] == ["a/1.jpg", "b/2.jpg"]


@pytest.mark.parametrize("place", ["loop", "a/loop", "a/deep/loop"])
@pytest.mark.parametrize("target", [".", "..", "root"])
def test_a_folder_link_that_leads_back_is_refused(tmp_path, place, target):
    root = tmp_path / "data"
    make(root, "a/deep/1.jpg")
    (root / place).symlink_to(root if target == "root" else target)
    with pytest.raises(DatasetError, match="link"):
        find_photos(root)


@pytest.mark.parametrize("name", ["unknown", "Unknown", "UNKNOWN_"])
def test_no_class_is_learned_that_is_called_as_what_is_none_of_them(tmp_path, name):
    make(tmp_path, *(f"{label}/{number}.jpg" for label in ("cat", name) for number in range(5)))
    assert len(find_photos(tmp_path)) == 10  # models of before have such classes
    with pytest.raises(DatasetError, match="what a model answers where a photo shows none"):
        load_training_folder(tmp_path)
