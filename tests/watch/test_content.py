"""The photo of a line, as long as its file is still the same."""

import hashlib

import pytest

from edgecat.watch.content import load_photo
from edgecat.watch.photo import Photo, Stamp, format_line


@pytest.fixture
def line(folder):
    path = folder / "a.jpg"
    path.write_bytes(b"a photo")
    photo = Photo("a.jpg", Stamp.of(path.stat()), hashlib.sha256(b"a photo").digest())
    return format_line(photo, {"answer": "red"})


def test_a_file_that_is_still_there_is_returned(folder, line):
    assert load_photo(folder, line) == load_photo(folder, line.rstrip(b"\n")) == b"a photo"


def test_another_content_or_another_file_is_not(folder, line):
    (folder / "a.jpg").write_bytes(b"another")
    assert load_photo(folder, line) is None
    (folder / "a.jpg").unlink()
    assert load_photo(folder, line) is None
    (folder / "a.jpg").symlink_to("/etc/passwd")
    assert load_photo(folder, line) is None
