"""Zip files of photos: what people's programs make is read, what harms is refused."""

import os
import shutil
import stat
import struct
import subprocess
import tracemalloc
import zipfile

import numpy as np
import pytest

from edgecat.errors import DatasetError, ImageError
from edgecat.photos.folder import load_folder
from edgecat.photos.pixels import load_pixels
from edgecat.photos.reading import read_photos
from edgecat.photos.zipped import PhotoZip

# A directory of 100 bytes an entry: what zipfile and our own names may take of memory for each.
MAX_BYTES_AN_ENTRY = 2000


def write_zip(path, entries, compression=zipfile.ZIP_STORED):
    """Write a zip file of names (or ZipInfo) and bytes, whatever they are."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def entry(name, kind=stat.S_IFREG, system=3):
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = (kind | 0o644) << 16 if system == 3 else 0
    return info


GOOD = [("cat/1.jpg", b"1"), ("dog/2.jpg", b"2")]


@pytest.fixture
def good(tmp_path):
    return write_zip(tmp_path / "good.zip", GOOD)


def listed(path):
    return [(p.path.relative_to(path).as_posix(), p.label) for p in load_folder(path).photos]


@pytest.mark.parametrize("top", ["", "pets-main/", "a/b/c/"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_file_of_a_folder_gives_what_the_folder_gives(
    draw_photos, tmp_path, top, compression
):
    root = draw_photos(num_classes=3)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", compression) as packed:
        for path in sorted(root.rglob("*"), reverse=True):
            packed.write(path, top + str(path.relative_to(root)))
        packed.writestr("__MACOSX/class_0/._0.jpg", b"litter")
        packed.comment = b"thank you for downloading"
    of_folder, of_zip = load_folder(root), load_folder(tmp_path / "photos.zip")
    read = [list(read_photos(folder.photos, load_pixels)) for folder in (of_folder, of_zip)]
    for (photo, sha256, pixels), (zipped, zipped_sha256, zipped_pixels) in zip(*read, strict=True):
        paths = [p.path.relative_to(f.root) for p, f in ((photo, of_folder), (zipped, of_zip))]
        assert paths[0] == paths[1]
        assert (photo.label, sha256) == (zipped.label, zipped_sha256)
        assert np.array_equal(pixels, zipped_pixels)


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs Info-ZIP's zip")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_of_any_alphabet_survive_info_zip_which_does_not_say_that_they_are_utf8(
    tmp_path, locale
):
    for label in ("고양이", "Müßig_é"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.jpg").touch()
    subprocess.run(
        ["zip", "-qr", "../photos.zip", "."],
        cwd=tmp_path / "photos", env=os.environ | {"LC_ALL": locale}, check=True,
    )  # fmt: skip
    assert {label for _, label in listed(tmp_path / "photos.zip")} == {"고양이", "Müßig é"}


def test_names_in_the_letters_of_dos_and_its_backslashes_are_read(tmp_path):
    path = write_zip(tmp_path / "a.zip", [(entry("XXX\\1.jpg", system=0), b""), ("b/2", b"")])
    path.write_bytes(path.read_bytes().replace(b"XXX", "für".encode("cp437")))
    assert listed(path) == [("b/2", "b"), ("für/1.jpg", "für")]


def test_zip_files_within_are_left_alone(tmp_path):
    path = write_zip(tmp_path / "a.zip", [*GOOD, ("cat/more.ZIP", b"PK"), ("more.zip", b"PK")])
    assert [name for name, _ in listed(path)] == ["cat/1.jpg", "dog/2.jpg"]


EVIL = {
    "a way out": (("../cat/1.jpg", b""), "no plain path"),
    "a way out, deeper": (("cat/../../1.jpg", b""), "no plain path"),
    "an absolute path": (("/etc/passwd", b""), "no plain path"),
    "a drive": (("C:/cat/1.jpg", b""), "no plain path"),
    "a drive and backslashes": ((entry("c:\\cat\\1.jpg", system=0), b""), "no plain path"),
    "backslashes out": ((entry("..\\..\\1.jpg", system=0), b""), "no plain path"),
    "a class called .": (("./1.jpg", b""), "no plain path"),
    "two slashes": (("cat//1.jpg", b""), "no plain path"),
    "a link": ((entry("cat/3.jpg", stat.S_IFLNK), b"/etc/passwd"), "a link or a device"),
    "a link to a folder": ((entry("cats/", stat.S_IFLNK), b"/"), "a link or a device"),
    "a device": ((entry("cat/zero", stat.S_IFCHR), b""), "a link or a device"),
    "the same name": (("cat/1.jpg", b"other"), "it is there twice"),
    "a file as a folder": (("cat", b""), "as a file and as a folder"),
    "folders without end": (("a/" * 3000 + "1.jpg", b""), "more than 32 deep"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("more", "words"), EVIL.values(), ids=EVIL)
def test_an_evil_zip_file_is_refused_by_the_name_of_the_entry(tmp_path, more, words):
    path = write_zip(tmp_path / "evil.zip", [*GOOD, more])
    with pytest.raises(DatasetError, match=words) as caught:
        load_folder(path)
    assert str(caught.value).startswith(f"{path}: ") or "deep" in words
    assert os.listdir(tmp_path) == ["evil.zip"]


def test_folders_without_end_are_refused_before_their_names_fill_the_memory(tmp_path):
    """Of an entry in 30,000 folders their names alone would have a gigabyte."""
    path = write_zip(tmp_path / "evil.zip", [*GOOD, ("a/" * 30_000 + "1.jpg", b"")])
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="more than 32 deep"):
            load_folder(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def first_entry(data):
    """Where the directory's first entry begins; source: APPNOTE.TXT 4.3.12."""
    return data.index(b"PK\1\2")


def patch(path, at, layout, *values):
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, at(bytes(data)), *values)
    path.write_bytes(data)
    return path


BROKEN = {
    "encrypted": (8, "<H", 1, "encrypted"),
    "bzip2": (10, "<H", 12, "compressed in another way"),
    "a name with NUL": (46, "<B", 0, "no plain path"),
}


@pytest.mark.parametrize(("at", "layout", "value", "words"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_is_refused_before_any_photo_is(good, at, layout, value, words):
    patch(good, lambda data: first_entry(data) + at, layout, value)
    with pytest.raises(DatasetError, match=words):
        load_folder(good)


@pytest.mark.parametrize("kind", ["text", "cut off", "empty"])
def test_a_file_that_is_no_zip_file_is_refused_and_told_what_is_wanted(good, kind):
    data = good.read_bytes()
    good.write_bytes({"text": b"hello" * 99, "cut off": data[:-30], "empty": b""}[kind])
    with pytest.raises(DatasetError, match=r"no zip file.* a sub-folder per class"):
        load_folder(good)


def test_a_photo_damaged_in_the_zip_file_is_a_broken_photo_by_name(good):
    patch(good, lambda data: data.index(b"cat/1.jpg") + 9, "<c", b"x")
    with pytest.raises(DatasetError, match=r"1 of 2(.|\n)*good\.zip/cat/1\.jpg: .*damaged"):
        list(read_photos(load_folder(good).photos, len))


def test_a_bomb_is_refused_before_any_photo_is_read(tmp_path):
    path = write_zip(
        tmp_path / "bomb.zip", [*GOOD, ("cat/0.bmp", bytes(2**22))], zipfile.ZIP_DEFLATED
    )
    with pytest.raises(DatasetError, match="grows more than 100-fold"):
        load_folder(path)


def test_a_bomb_that_declares_a_small_size_gives_no_more_than_that(tmp_path):
    path = write_zip(tmp_path / "bomb.zip", [("cat/0.bmp", bytes(2**22))], zipfile.ZIP_DEFLATED)
    patch(path, lambda data: first_entry(data) + 24, "<L", 10)
    with pytest.raises(ImageError, match="damaged"):
        PhotoZip(path).read("cat/0.bmp")


def test_a_photo_larger_than_a_photo_may_be_is_not_read(tmp_path):
    path = write_zip(tmp_path / "a.zip", GOOD)
    patch(path, lambda data: first_entry(data) + 24, "<L", 2**27 + 1)
    with zipfile.ZipFile(path, "a") as packed:  # large enough for what it declares
        packed.writestr("dog/3.bmp", os.urandom(2**21))
    with pytest.raises(ImageError, match="larger than"):
        PhotoZip(path).read("cat/1.jpg")


@pytest.mark.slow
def test_many_entries_take_little_memory_and_far_too_many_are_refused_unread(tmp_path):
    names = [f"photos/class_{n % 9}/{n:06}.jpg" for n in range(20_000)]
    path = write_zip(tmp_path / "many.zip", [(name, b"") for name in names])
    tracemalloc.start()
    folder = load_folder(path)
    taken_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(folder.photos) == len(names)
    assert taken_bytes < MAX_BYTES_AN_ENTRY * len(names)
    with path.open("r+b") as file:  # a directory of 100 MB, of zeros
        end = file.seek(-22, os.SEEK_END)
        tail = file.read()
        file.seek(end)
        file.truncate(end + 10**8)
        file.seek(0, os.SEEK_END)
        file.write(tail[:12] + struct.pack("<LL", 10**8, end) + tail[20:])
    tracemalloc.start()
    with pytest.raises(DatasetError, match="more entries than are accepted"):
        load_folder(path)
    taken_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken_bytes < 10**6
