import hashlib
import os
import subprocess
import sys
import threading
import time
import unicodedata

import numpy as np
import pytest
from PIL import Image

from edgecat.errors import DatasetError, ImageError
from edgecat.machine.memory import FreeMemory
from edgecat.photos import folder as photo_folders
from edgecat.photos.folder import count_labels, find_photos, label_of, read_photos
from edgecat.photos.pixels import load_pixels


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


@pytest.mark.parametrize(
    "folders",
    [("train", "test"), ("train", "test", "val", "more"), ("train", "val")],
    ids="+".join,
)
def test_half_of_a_ready_split_is_refused_not_taken_for_classes(tmp_path, folders):
    make(tmp_path, *(f"{folder}/a/1" for folder in folders))
    with pytest.raises(DatasetError, match="train/, val/ and test/"):
        find_photos(tmp_path)


NFC = unicodedata.normalize("NFC", "고양이 é")
LABELS = [
    ("Maine_Coon", "Maine Coon"),
    ("Maine Coon", "Maine Coon"),
    ("  Maine   Coon_", "Maine Coon"),
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


def test_nfc_and_nfd_folders_are_one_class(tmp_path):
    make(tmp_path, f"{NFC}/1.jpg", f"{unicodedata.normalize('NFD', NFC)}/2.jpg", "b/3.jpg")
    assert count_labels(find_photos(tmp_path)) == {"b": 1, NFC: 2}


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


def test_a_link_to_itself_is_a_broken_photo(tmp_path):
    make(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "me.jpg").symlink_to("me.jpg")
    (tmp_path / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(
        DatasetError, match=r"3 of 3 photos are broken(.|\n)*gone\.jpg(.|\n)*me\.jpg"
    ):
        list(read_photos(find_photos(tmp_path), load_pixels))


def test_a_named_pipe_is_refused_not_waited_for(tmp_path):
    make(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe")
    script = (
        "import sys; from pathlib import Path;"
        "from edgecat.photos.folder import find_photos, read_photos;"
        "list(read_photos(find_photos(Path(sys.argv[1])), len))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert "DatasetError" in done.stderr
    assert "pipe" in done.stderr


def test_every_photo_is_read_once_in_order_with_its_hash(draw_photos):
    photos = find_photos(draw_photos(num_classes=3, num_per_class=30))  # more than one chunk
    steps = []
    read = list(read_photos(photos, len, on_photo=lambda: steps.append(1)))
    assert [photo for photo, _, _ in read] == list(photos)
    assert len(steps) == 90
    for photo, sha256, size_bytes in read:
        data = photo.path.read_bytes()
        assert (sha256, size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))


BROKEN = {"empty.jpg": b"", "text.jpg": b"hello", "the photo.jpg": b"\xff\xd8\xff"}


def break_some(root):
    for name, data in BROKEN.items():
        make(root, f"class_1/{name}", data=data)


def test_broken_photos_are_all_named_at_once(draw_photos):
    root = draw_photos()
    break_some(root)
    read = []
    with pytest.raises(DatasetError) as caught:
        read.extend(read_photos(find_photos(root), load_pixels))
    message = str(caught.value)
    assert message.startswith("3 of 13 photos are broken:\n")
    assert "--skip-broken" in message
    for name in BROKEN:
        assert message.count(f"  {root / 'class_1' / name}: ") == 1


def test_on_broken_leaves_broken_photos_out_and_tells_of_each(draw_photos):
    root = draw_photos()
    break_some(root)
    told = []
    read = list(read_photos(find_photos(root), load_pixels, on_broken=told.append))
    assert len(read) == 10
    assert len(told) == 3
    assert {photo.path.name for photo, _, _ in read}.isdisjoint(BROKEN)


def test_a_folder_called_the_photo_is_named_as_it_is(tmp_path):
    root = tmp_path / "the photos"
    make(root, "a/1.jpg", data=b"broken")
    (root / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    told = []
    list(read_photos(find_photos(root), load_pixels, on_broken=told.append))
    assert [line.split(": ")[0] for line in told] == [
        str(root / "a" / "1.jpg"),
        str(root / "a" / "gone.jpg"),
    ]


def test_a_photo_removed_meanwhile_is_broken(draw_photos):
    root = draw_photos()
    photos = find_photos(root)
    photos[3].path.unlink()
    with pytest.raises(DatasetError, match=r"1 of 10(.|\n)*No such file"):
        list(read_photos(photos, load_pixels))


def test_another_error_of_the_decoder_is_not_swallowed(draw_photos):
    def decode(data):
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        list(read_photos(find_photos(draw_photos()), decode))


def test_an_image_error_of_the_decoder_is_a_broken_photo(draw_photos):
    def decode(data):
        raise ImageError("the photo: too dark")

    root = draw_photos()
    with pytest.raises(DatasetError, match=r"0\.jpg: too dark"):
        list(read_photos(find_photos(root), decode))


def test_the_pixels_read_are_those_of_the_file(draw_photos):
    photos = find_photos(draw_photos())
    for photo, _, pixels in read_photos(photos, load_pixels):
        with Image.open(photo.path) as image:
            assert np.array_equal(pixels, load_pixels(image))


@pytest.mark.parametrize(
    ("num_threads", "free", "at_once"),
    [
        (3, FreeMemory(3 * 425_000_000), 3),
        (1, None, 1),
        (3, FreeMemory(850_000_000, limit_bytes=900_000_000), 2),
        (3, FreeMemory(0), 1),
        (3, None, 3),
    ],
)
def test_as_many_photos_are_decoded_at_once_as_cores_and_memory_allow(
    draw_photos, monkeypatch, num_threads, free, at_once
):
    monkeypatch.setattr(photo_folders, "count_threads", lambda: num_threads)
    monkeypatch.setattr(photo_folders, "read_free_memory", lambda: free)
    busy, most, lock = [], [], threading.Lock()

    def decode(data):
        with lock:
            busy.append(1)
            most.append(len(busy))
        time.sleep(0.01)
        with lock:
            busy.pop()

    assert len(list(read_photos(find_photos(draw_photos()), decode))) == 10
    assert max(most) == at_once
