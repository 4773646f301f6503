"""A list says which photos are used, whatever their names, and none outside of the folder."""

import os

import pytest

from edgecat.errors import DatasetError
from edgecat.photos.folder import load_folder, load_training_folder
from edgecat.photos.photo_list import format_path, load_list

ODD_NAMES = [
    "#1.jpg",
    '"q".jpg',
    " blank.jpg",
    "a\nb.jpg",
    "a\u2028b.jpg",
    "Käse 猫.jpg",
    "a # b.jpg",
]


def paths_of(folder):
    return [folder.path_of(photo) for photo in folder.photos]


@pytest.mark.parametrize("name", [*ODD_NAMES, os.fsdecode(b"latin-\xe9.jpg")])
def test_any_name_is_read_as_it_was_written(tmp_path, name):
    path = tmp_path / "list"
    path.write_bytes(os.fsencode(f"{format_path(name)}\n"))
    assert load_list(path) == (name,)


def test_a_list_edited_on_windows_is_read_with_its_comments_aside(tmp_path):
    path = tmp_path / "list"
    path.write_bytes(
        b"\xef\xbb\xbfcat/1.jpg\r\n\r\n# cat/2.jpg\r\n#cat/3.jpg\r\ncat/1.jpg\r\ncat/4.jpg"
    )
    assert load_list(path) == ("cat/1.jpg", "cat/4.jpg")


def test_only_listed_photos_are_used_and_that_is_said(draw_photos, tmp_path):
    root = draw_photos()
    (tmp_path / "list").write_text("class_1/3.jpg\nclass_0/1.jpg\n")
    folder = load_folder(root, tmp_path / "list")
    assert paths_of(folder) == ["class_0/1.jpg", "class_1/3.jpg"]
    assert "2 of 10 photos are listed" in folder.notes[-1]


def test_paths_start_where_the_classes_are(draw_photos, tmp_path):
    draw_photos(name="wrapper/photos")
    (tmp_path / "list").write_text("class_0/1.jpg\n")
    folder = load_folder(tmp_path / "wrapper", tmp_path / "list")
    assert paths_of(folder) == ["class_0/1.jpg"]


def test_what_is_left_must_still_be_enough_to_learn_from(draw_photos, tmp_path):
    (tmp_path / "list").write_text("class_0/1.jpg\nclass_1/1.jpg\n")
    with pytest.raises(DatasetError, match="at least 5"):
        load_training_folder(draw_photos(), tmp_path / "list")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "names no photo"),
        (b"# class_0/1.jpg\n", "names no photo"),
        (b"class_0/9.jpg\nclass_0/1.jpg\n", r"1 of its 2 paths are not there \('class_0/9.jpg'\)"),
        (b"../photos/class_0/1.jpg\n", "are not there"),
        (b"/etc/passwd\n", "are not there"),
        (b'"class_0/1.jpg\n', "not JSON"),
        (b'"a" "b"\n', "not JSON"),
        (bytes(range(256)), "are not there"),
    ],
)
def test_a_wrong_list_is_refused_in_words(draw_photos, tmp_path, content, message):
    if content is not None:
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        load_folder(draw_photos(), tmp_path / "list")


def test_a_folder_is_no_list(draw_photos, tmp_path):
    with pytest.raises(DatasetError, match="no such file"):
        load_folder(draw_photos(), tmp_path)
