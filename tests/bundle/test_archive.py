"""Bundles in zip files: the same bytes for the same bundle, and no trust in anybody's zip file."""

import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import time
import zipfile

import pytest

from edgecat.bundle.archive import pack_bundle, unpack_bundle
from edgecat.bundle.signature import make_key
from edgecat.bundle.signing import sign_bundle
from edgecat.bundle.store import MANIFEST, SIGNATURE, load_bundle
from edgecat.errors import BundleError, SignatureError, StorageError


@pytest.fixture
def packed(make_bundle, tmp_path):
    """A good zip file."""
    pack_bundle(make_bundle(files={"extra.json": b"[1]"}), tmp_path / "good.zip")
    return tmp_path / "good.zip"


def list_all(folder):
    """Every path below a folder, with the bytes of files: what must not change by a refusal."""
    return {
        path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))
    }


def read_entries(packed):
    with zipfile.ZipFile(packed) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_zip(path, entries, compression=zipfile.ZIP_STORED):
    """Write a zip file of names (or ZipInfo) and bytes, in this order, whatever they are."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)


def entry(name, mode=0o644, kind=stat.S_IFREG):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | mode) << 16
    return info


# Packing


def test_a_bundle_comes_back_as_it_was(make_bundle, tmp_path):
    folder = make_bundle(files={"extra.json": b"[1]"})
    pack_bundle(folder, tmp_path / "a.zip")
    unpack_bundle(tmp_path / "a.zip", tmp_path / "back")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "back").iterdir()
    }
    assert load_bundle(tmp_path / "back").spec == load_bundle(folder).spec


def test_the_same_bundle_makes_the_same_bytes(make_bundle, tmp_path):
    folder = make_bundle(files={"b": b"2", "a": b"1"})
    pack_bundle(folder, tmp_path / "first.zip")
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for path in sorted(folder.iterdir(), reverse=True):
        shutil.copyfile(path, copy / path.name)
        os.utime(copy / path.name, (1e9, 1e9))
        (copy / path.name).chmod(0o600)
    pack_bundle(copy, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    assert list(read_entries(tmp_path / "first.zip")) == [MANIFEST, "a", "b", "model.onnx"]


def test_a_signature_goes_along(make_bundle, tmp_path):
    folder, public = make_bundle(), make_key(tmp_path / "owner.pem")
    sign_bundle(folder, tmp_path / "owner.pem")
    pack_bundle(folder, tmp_path / "a.zip")
    unpack_bundle(tmp_path / "a.zip", tmp_path / "back", signer=public)
    load_bundle(tmp_path / "back", signer=public)


def test_a_damaged_bundle_is_not_packed(make_bundle, tmp_path):
    folder = make_bundle()
    (folder / "model.onnx").write_bytes(b"No model")
    with pytest.raises(BundleError, match="SHA-256"):
        pack_bundle(folder, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_packing_replaces_a_zip_file_and_nothing_else(make_bundle, packed, tmp_path):
    folder = make_bundle(name="other")
    pack_bundle(folder, packed)
    assert set(read_entries(packed)) == {MANIFEST, "model.onnx"}
    (tmp_path / "thesis.txt").write_text("x")
    for out in (tmp_path / "thesis.txt", tmp_path, folder):
        with pytest.raises(BundleError, match="exists and is no zip file"):
            pack_bundle(folder, out)
    assert (tmp_path / "thesis.txt").read_text() == "x"


def test_a_bundle_is_not_packed_into_itself(make_bundle):
    folder = make_bundle()
    with pytest.raises(BundleError, match="only its own files"):
        pack_bundle(folder, folder / "a.zip")
    load_bundle(folder)


# Zip files of others


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("top", ["", "first.edgecat/", "Katzenklappe für 고양이/"])
def test_what_people_zip_by_hand_is_taken_too(packed, tmp_path, top, compression):
    entries = [(top + name, data) for name, data in reversed(read_entries(packed).items())]
    if top:
        entries.insert(0, (entry(top, 0o755, stat.S_IFDIR), b""))
    write_zip(tmp_path / "by-hand.zip", entries, compression)
    unpack_bundle(tmp_path / "by-hand.zip", tmp_path / "out")
    load_bundle(tmp_path / "out")


def test_a_comment_that_a_zip_program_left_does_no_harm(packed, tmp_path):
    with zipfile.ZipFile(packed, "a") as file:
        file.comment = b"made with PowerZip, unregistered"
    unpack_bundle(packed, tmp_path / "out")


def add(name, data=b"x", **kind):
    return lambda entries: [*entries.items(), (entry(name, **kind), data)]


def replace(old, new):
    return lambda entries: [(new if name == old else name, data) for name, data in entries.items()]


def without(name):
    return lambda entries: [pair for pair in entries.items() if pair[0] != name]


def change(name, data):
    return lambda entries: (entries | {name: data}).items()


def edit_manifest(**changes):
    def edit(entries):
        manifest = json.loads(entries[MANIFEST])
        for key, value in changes.items():
            manifest[key] = manifest[key] | value if isinstance(value, dict) else value
        return (entries | {MANIFEST: json.dumps(manifest).encode()}).items()

    return edit


def in_folder(top, inner=""):
    return lambda entries: [
        (f"{top}/{inner if name == 'model.onnx' else ''}{name}", data)
        for name, data in entries.items()
    ]


EMPTY = {"sha256": "0" * 64, "size_bytes": 0}
EVIL = {
    "a path that searches": (add("../evil"), "not in the bundle's folder"),
    "a path that searches twice": (add("../../evil"), "not in the bundle's folder"),
    "a path that searches from a folder": (add("x/../../evil"), "not in the bundle's folder"),
    "an absolute path": (add("/evil"), "not in the bundle's folder"),
    "a path on a drive": (add("C:evil"), "not in the manifest"),
    "a path with backslashes": (add("..\\evil"), "not in the manifest"),
    "a file in place of another": (replace("model.onnx", "../model.onnx"), "not in the bundle's"),
    "everything above": (in_folder(".."), "not in the bundle's folder"),
    "everything here": (in_folder("."), "not in the bundle's folder"),
    "two folders deep": (in_folder("a/b"), "not in the bundle's folder"),
    "one file deeper": (in_folder("a", "b/"), "not in the bundle's folder"),
    "several folders": (add("other/x"), "several folders"),
    "a folder more": (add("deep/", b"", kind=stat.S_IFDIR), "several folders"),
    "a link": (add("model.onnx.bak", b"/etc/passwd", kind=stat.S_IFLNK), "a link or a device"),
    "a link to a folder": (add("deep/", b"/etc", kind=stat.S_IFLNK), "a link or a device"),
    "a device": (add("zero", b"", kind=stat.S_IFCHR), "a link or a device"),
    "a pipe": (add("pipe", b"", kind=stat.S_IFIFO), "a link or a device"),
    "the same name again": (add("model.onnx", b"no model"), "it is there twice"),
    "a manifest again": (add(MANIFEST, b"{}"), "it is there twice"),
    "another case": (add("Model.onnx"), "not in the manifest: 'Model.onnx'"),
    "another case of the manifest": (add("BUNDLE.json"), "not in the manifest: 'BUNDLE.json'"),
    "another Unicode form": (add("mode\uff4c.onnx"), "not in the manifest"),
    "a file more": (add("evil.py"), "not in the manifest: 'evil.py'"),
    "a name with a terminal's codes": (add("\x1b[2J"), r"not in the manifest: '\\x1b\[2J'"),
    "a file less": (without("model.onnx"), r"missing: model\.onnx"),
    "no manifest": (without(MANIFEST), r"no bundle\.json in it"),
    "an empty zip file": (lambda entries: [], r"no bundle\.json in it"),
    "a changed file": (change("model.onnx", b"No model"), "SHA-256 is not the manifest's"),
    "a longer file": (change("model.onnx", b"no model!"), "9 bytes, the manifest says 8"),
    "a shorter file": (change("model.onnx", b"no mode"), "7 bytes, the manifest says 8"),
    "a signature that is none": (add(SIGNATURE, b"x" * 65), "larger than 64 bytes"),
    "a short signature": (add(SIGNATURE, b"x" * 63), r"bundle\.sig: no signature"),
    "a manifest that is none": (change(MANIFEST, b"[]"), "expected named values"),
    "a manifest that is no text": (change(MANIFEST, b"\xff"), "cannot be read"),
    "a manifest too large": (change(MANIFEST, b" " * (2**24 + 1)), "larger than 16777216 bytes"),
    "a manifest that names a path": (
        edit_manifest(files={"../x": EMPTY}), "no plain name"
    ),
    "a manifest that names itself": (
        edit_manifest(files={"Bundle.JSON": EMPTY}), "upper and lower"
    ),
    "a manifest that names its signature": (
        edit_manifest(files={SIGNATURE: EMPTY}), "upper and lower"
    ),
    "a manifest with two cases of a name": (
        edit_manifest(files={"Model.onnx": EMPTY}), "upper and lower"
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("old", [False, True], ids=["new", "over an old bundle"])
@pytest.mark.parametrize(("spoil", "words"), EVIL.values(), ids=EVIL)
def test_an_evil_zip_file_is_refused_and_nothing_is_written(
    packed, make_bundle, tmp_path, spoil, words, old
):
    evil, out = tmp_path / "evil.zip", tmp_path / "deep" / "out"
    out.parent.mkdir()
    if old:
        make_bundle(name="old").rename(out)
    write_zip(evil, spoil(read_entries(packed)), zipfile.ZIP_DEFLATED)
    before = list_all(tmp_path)
    with pytest.raises(BundleError, match=words) as caught:
        unpack_bundle(evil, out)
    assert str(evil) in str(caught.value)
    assert list_all(tmp_path) == before


def patch(data, at, layout, *values):
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, *values)
    return bytes(changed)


def first_entry(data):
    """Where the directory's first entry begins; source: APPNOTE.TXT 4.3.12."""
    return data.index(b"PK\1\2")


BROKEN = {
    "empty": (lambda data: b"", "no zip file"),
    "text": (lambda data: b"hello" * 100, "no zip file"),
    "cut off": (lambda data: data[:-1], "no zip file"),
    "cut in half": (lambda data: data[: len(data) // 2], "no zip file"),
    "a directory of 4 GB": (
        lambda data: patch(data, len(data) - 10, "<L", 2**32 - 1), "no zip file"
    ),
    "a directory elsewhere": (
        lambda data: patch(data, len(data) - 6, "<L", 2**31), "damaged"
    ),
    "encrypted": (lambda data: patch(data, first_entry(data) + 8, "<H", 1), "encrypted"),
    "bzip2": (lambda data: patch(data, first_entry(data) + 10, "<H", 12), "compressed in another"),
    "another CRC": (lambda data: patch(data, first_entry(data) + 16, "<L", 7), "damaged"),
    "another name in front": (lambda data: patch(data, 30, "<c", b"B"), "damaged"),
    "a flipped bit": (lambda data: data.replace(b"no model", b"no mod%l"), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_zip_file_is_refused_and_nothing_is_written(packed, tmp_path, spoil, words):
    broken = tmp_path / "broken.zip"
    broken.write_bytes(spoil(packed.read_bytes()))
    before = list_all(tmp_path)
    with pytest.raises(BundleError, match=words):
        unpack_bundle(broken, tmp_path / "out")
    assert list_all(tmp_path) == before


def test_too_many_entries_are_refused_before_they_are_looked_at(packed, tmp_path):
    many = [*read_entries(packed).items(), *((f"{i:04}", b"") for i in range(2000))]
    write_zip(tmp_path / "many.zip", many)
    with pytest.raises(BundleError, match="more entries than are accepted"):
        unpack_bundle(tmp_path / "many.zip", tmp_path / "out")


def make_bomb(make_bundle, tmp_path, num_bytes):
    """A bundle that is all right but for its 1,000-fold compression."""
    folder = make_bundle(files={"zeros.bin": bytes(num_bytes)}, name="bomb")
    entries = [(path.name, path.read_bytes()) for path in folder.iterdir()]
    write_zip(tmp_path / "bomb.zip", entries, zipfile.ZIP_DEFLATED)
    return tmp_path / "bomb.zip"


def test_a_bomb_is_refused_before_it_is_unpacked(make_bundle, tmp_path):
    bomb = make_bomb(make_bundle, tmp_path, 4 * 2**20)
    before = list_all(tmp_path)
    with pytest.raises(BundleError, match="grows more than 100-fold"):
        unpack_bundle(bomb, tmp_path / "out")
    assert list_all(tmp_path) == before


def test_a_bomb_that_declares_a_small_size_is_stopped_there(packed, tmp_path):
    """The declared size is the manifest's, but megabytes come out."""
    entries = read_entries(packed) | {"model.onnx": bytes(4 * 2**20)}
    bomb = tmp_path / "bomb.zip"
    write_zip(bomb, entries.items(), zipfile.ZIP_DEFLATED)
    data = bomb.read_bytes()
    data = patch(data, data.rindex(b"model.onnx") - 46 + 24, "<L", len(b"no model"))
    bomb.write_bytes(data)
    before = list_all(tmp_path)
    with pytest.raises(BundleError, match=r"model\.onnx: damaged"):
        unpack_bundle(bomb, tmp_path / "out")
    assert list_all(tmp_path) == before


def test_overlapping_entries_are_refused(packed, tmp_path):
    """The entries of the directory all lead to one file: the bomb that needs no recursion."""
    data = packed.read_bytes()
    second = data.index(b"PK\1\2", first_entry(data) + 4)
    (tmp_path / "lap.zip").write_bytes(patch(data, second + 42, "<L", 0))
    with pytest.raises(BundleError, match="damaged"):
        unpack_bundle(tmp_path / "lap.zip", tmp_path / "out")


@pytest.mark.parametrize("what", ["nothing", "a folder", "a pipe", "NUL"])
def test_what_is_no_file_is_refused(tmp_path, what):
    path = tmp_path / ("a\0b" if what == "NUL" else "a.zip")
    if what == "a folder":
        path.mkdir()
    if what == "a pipe":
        os.mkfifo(path)
    with pytest.raises(BundleError):
        unpack_bundle(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_something_that_is_no_bundle_is_never_replaced(packed, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("x")
    with pytest.raises(BundleError, match="is no bundle"):
        unpack_bundle(packed, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["thesis.txt"]


def test_an_old_bundle_is_replaced_whole(packed, make_bundle, tmp_path):
    out = make_bundle(files={"gone.bin": b"x"}, name="out")
    unpack_bundle(packed, out)
    assert {path.name for path in out.iterdir()} == {MANIFEST, "model.onnx", "extra.json"}


# Signatures


def test_a_zip_file_that_the_owner_did_not_sign_is_refused_unparsed(packed, tmp_path):
    public = make_key(tmp_path / "owner.pem")
    entries = read_entries(packed) | {MANIFEST: b"not even JSON"}
    write_zip(tmp_path / "evil.zip", entries.items())
    for path in (packed, tmp_path / "evil.zip"):
        with pytest.raises(SignatureError, match="not signed, and"):
            unpack_bundle(path, tmp_path / "out", signer=public)
    assert not (tmp_path / "out").exists()


# The disk and the power


def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(make_bundle, tmp_path, small_disk):
    pack_bundle(make_bundle(files={"large.bin": os.urandom(2**20)}), tmp_path / "large.zip")
    pack_bundle(make_bundle(name="small"), tmp_path / "small.zip")
    unpack_bundle(tmp_path / "small.zip", small_disk / "out")
    before = list_all(small_disk)
    with pytest.raises(StorageError, match="df -h"):
        unpack_bundle(tmp_path / "large.zip", small_disk / "out")
    assert list_all(small_disk) == before
    unpack_bundle(tmp_path / "small.zip", small_disk / "out")
    with pytest.raises(StorageError, match="df -h"):
        pack_bundle(tmp_path / "bundle", small_disk / "large.zip")
    assert list_all(small_disk) == before


UNPACK = """
import sys
from pathlib import Path
from edgecat.bundle.archive import unpack_bundle
while True:
    unpack_bundle(*map(Path, sys.argv[1:]))
    print(flush=True)
"""


@pytest.mark.slow
def test_kill_9_at_any_moment_leaves_a_whole_bundle_and_the_next_run_tidies_up(
    make_bundle, tmp_path
):
    folder = make_bundle(files={"large.bin": os.urandom(2**21)})
    pack_bundle(folder, tmp_path / "a.zip")
    out = tmp_path / "place" / "out"
    for number in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", UNPACK, tmp_path / "a.zip", out], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()  # the first one stands
            time.sleep(0.003 * number)
            process.kill()
        assert load_bundle(out).read("large.bin") == (folder / "large.bin").read_bytes()
    unpack_bundle(tmp_path / "a.zip", out)
    assert os.listdir(out.parent) == ["out"]
