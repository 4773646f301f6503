"""Photos of a data set: each read once, broken ones named all at once."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecat.errors import DatasetError, ImageError
from edgecat.machine.memory import FreeMemory
from edgecat.photos import reading
from edgecat.photos.folder import find_photos
from edgecat.photos.pixels import load_pixels
from edgecat.photos.reading import group_remarks, read_photos
from edgecat.photos.tree import list_photos


def make(root, *paths, data=b"x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


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
        "from edgecat.photos.folder import find_photos;"
        "from edgecat.photos.reading import read_photos;"
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


def test_of_a_folder_to_predict_the_pipes_are_left_out_but_one_may_be_given(tmp_path):
    make(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    pipe = tmp_path / "a" / "pipe.jpg"
    os.mkfifo(pipe)
    found = [str(tmp_path / "a" / "1.jpg"), str(tmp_path / "a" / "gone.jpg")]
    assert list(list_photos([str(tmp_path)])) == found
    assert list(list_photos([str(pipe)])) == [str(pipe)]


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


def test_a_single_broken_photo_is_told_in_the_singular(draw_photos):
    root = draw_photos()
    make(root, "class_1/empty.jpg", data=b"")
    with pytest.raises(DatasetError, match="1 of 11 photos is broken:"):
        list(read_photos(find_photos(root), load_pixels))


def test_on_broken_leaves_broken_photos_out_and_tells_of_each(draw_photos):
    root = draw_photos()
    break_some(root)
    told = []
    read = list(
        read_photos(find_photos(root), load_pixels, on_broken=lambda *remark: told.append(remark))
    )
    assert len(read) == 10
    assert len(told) == 3
    assert {photo.path.name for photo, _, _ in read}.isdisjoint(BROKEN)


def test_a_folder_called_the_photo_is_named_as_it_is(tmp_path):
    root = tmp_path / "the photos"
    make(root, "a/1.jpg", data=b"broken")
    (root / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    told = []
    list(read_photos(find_photos(root), load_pixels, on_broken=lambda *remark: told.append(remark)))
    assert [path for path, _ in told] == [root / "a" / "1.jpg", root / "a" / "gone.jpg"]


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
    with pytest.raises(DatasetError, match=r"10 photos, each: too dark\n.*0\.jpg"):
        list(read_photos(find_photos(root), decode))


def test_the_pixels_read_are_those_of_the_file(draw_photos):
    photos = find_photos(draw_photos())
    for photo, _, pixels in read_photos(photos, load_pixels):
        with Image.open(photo.path) as image:
            assert np.array_equal(pixels, load_pixels(image))


def test_what_is_said_of_many_photos_is_said_once_with_all_their_names():
    paths = [Path(f"{number}.heic") for number in range(3)]
    lines = group_remarks([(paths[0], "odd"), (paths[1], "worse"), (paths[2], "odd")])
    assert lines == ["2 photos, each: odd\n    0.heic\n    2.heic", "1.heic: worse"]


def test_photos_in_formats_that_are_not_read_are_all_named_with_the_way_out_once(draw_photos):
    root = draw_photos()
    for number in range(3):
        make(root, f"class_1/{number}.jxl", data=b"\xff\x0a\0\0")
    with pytest.raises(DatasetError) as caught:
        list(read_photos(find_photos(root), load_pixels))
    message = str(caught.value)
    assert message.count("convert PHOTO photo.jpg") == 1
    assert all(message.count(f"{number}.jxl") == 1 for number in range(3))


def test_what_a_person_should_know_of_a_photo_is_told(draw_photos):
    root, told = draw_photos(), []
    pages = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    pages[0].save(root / "class_0" / "pages.tif", save_all=True, append_images=pages[1:])
    read = list(
        read_photos(find_photos(root), load_pixels, on_odd=lambda *remark: told.append(remark))
    )
    assert len(read) == 11
    assert told == [
        (root / "class_0" / "pages.tif", "has several pages, of which the first is taken")
    ]


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
    monkeypatch.setattr(reading, "count_threads", lambda: num_threads)
    monkeypatch.setattr(reading, "read_free_memory", lambda: free)
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
