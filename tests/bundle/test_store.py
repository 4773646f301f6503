import json
import os

import pytest

import edgecat.bundle.store
from edgecat.bundle.manifest import FileRecord
from edgecat.bundle.store import (
    MANIFEST,
    find_bundle,
    load_bundle,
    load_spec,
    new_bundle,
    open_bundle,
    released_names,
    write_manifest,
)
from edgecat.errors import BundleError


def edit(folder, **changes):
    values = json.loads((folder / MANIFEST).read_text()) | changes
    (folder / MANIFEST).write_text(json.dumps(values))


def remove(folder):
    (folder / "model.onnx").unlink()


def flip_a_bit(folder):
    data = bytearray((folder / "model.onnx").read_bytes())
    data[3] ^= 1
    (folder / "model.onnx").write_bytes(data)


def lengthen(folder):
    (folder / "model.onnx").write_bytes(b"no model ")


def truncate(folder):
    (folder / "model.onnx").write_bytes(b"no mode")


def add_a_file(folder):
    (folder / "evil.py").write_text("x")


def add_a_hidden_file(folder):
    (folder / ".hidden").write_text("x")


def add_a_folder(folder):
    (folder / "deep").mkdir()


def link_a_file(folder):
    (folder / "model.onnx").rename(folder.parent / "outside")
    (folder / "model.onnx").symlink_to(folder.parent / "outside")


def dangle_a_file(folder):
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to("nowhere")


def folder_for_a_file(folder):
    remove(folder)
    (folder / "model.onnx").mkdir()


def wrong_hash(folder):
    edit(folder, files={"model.onnx": {"sha256": "0" * 64, "size_bytes": 8}})


def negative_size(folder):
    edit(folder, files={"model.onnx": {"sha256": "0" * 64, "size_bytes": -1}})


def strange_name(name):
    def change(folder):
        files = json.loads((folder / MANIFEST).read_text())["files"]
        edit(folder, files=files | {name: {"sha256": "0" * 64, "size_bytes": 1}})

    return change


def no_manifest(folder):
    (folder / MANIFEST).unlink()


def manifest_in_latin1(folder):
    (folder / MANIFEST).write_bytes(b'{"name": "\xe9"}')


def manifest_is_a_folder(folder):
    no_manifest(folder)
    (folder / MANIFEST).mkdir()


def manifest_too_large(folder):
    with open(folder / MANIFEST, "wb") as file:
        file.truncate(17 * 2**20)


DAMAGE = {
    "missing file": (remove, r"model\.onnx: missing"),
    "changed file": (flip_a_bit, r"model\.onnx: its SHA-256"),
    "longer file": (lengthen, r"model\.onnx: 9 bytes, the manifest says 8; copy"),
    "shorter file": (truncate, r"model\.onnx: 7 bytes, the manifest says 8"),
    "extra file": (add_a_file, r"not in the manifest: evil\.py"),
    "hidden file": (add_a_hidden_file, r"not in the manifest: \.hidden"),
    "extra folder": (add_a_folder, "not in the manifest: deep"),
    "linked file": (link_a_file, r"model\.onnx: a link"),
    "dangling link": (dangle_a_file, r"model\.onnx: a link"),
    "folder for a file": (folder_for_a_file, r"model\.onnx: missing"),
    "wrong hash": (wrong_hash, "SHA-256"),
    "negative size": (negative_size, "size_bytes -1 is below 0"),
    "name with NUL": (strange_name("a\0b"), "bundle"),
    "name that is no text": (strange_name("\ud800"), "bundle"),
    "name too long": (strange_name("x" * 300), "bundle"),
    "no manifest": (no_manifest, r"no bundle\.json in it.*edgecat export"),
    "manifest in Latin-1": (manifest_in_latin1, "cannot be read"),
    "manifest is a folder": (manifest_is_a_folder, r"bundle\.json: missing, or no plain file"),
    "manifest too large": (manifest_too_large, "larger than 16777216 bytes"),
}


def test_a_whole_bundle_is_loaded_and_its_files_are_read(make_bundle):
    folder = make_bundle(files={"extra.json": b"[]"})
    bundle = load_bundle(folder)
    assert bundle.path == folder
    assert bundle.spec == load_spec(folder)
    assert bundle.read("extra.json") == b"[]"
    assert load_bundle(str(folder)) == bundle


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_bundle_is_refused(make_bundle, damage, message):
    folder = make_bundle()
    damage(folder)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    str(caught.value).encode()  # every terminal can show it


def test_a_file_changed_after_loading_is_refused_at_its_use(make_bundle):
    folder = make_bundle()
    bundle = load_bundle(folder)
    flip_a_bit(folder)
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.read("model.onnx")


def test_of_a_bundle_that_is_only_opened_a_file_is_proven_when_it_is_read(make_bundle):
    folder = make_bundle(files={"extra.json": b"[]"})
    flip_a_bit(folder)
    bundle = open_bundle(folder)
    assert bundle.read("extra.json") == b"[]"
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.read("model.onnx")


@pytest.mark.parametrize("damage", [remove, truncate, add_a_file, link_a_file, manifest_in_latin1])
def test_what_is_seen_without_reading_files_is_refused_also_where_a_bundle_is_only_opened(
    make_bundle, damage
):
    folder = make_bundle()
    damage(folder)
    with pytest.raises(BundleError):
        open_bundle(folder)


def test_only_named_files_are_read(make_bundle):
    bundle = load_bundle(make_bundle())
    (bundle.path.parent / "secret").write_text("x")
    for file in ("../secret", MANIFEST, "other"):
        with pytest.raises(BundleError, match="names no file"):
            bundle.read(file)


@pytest.mark.parametrize("name", ["no-such", "", "../assets/cats12", "bundle.json"])
def test_what_is_no_bundle_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError):
        load_bundle(name)


def test_a_file_is_no_bundle(tmp_path):
    (tmp_path / "my cats.zip").write_bytes(b"x")
    mend = r"my cats\.zip: a file, .*: edgecat bundle unpack '.*my cats\.zip' --out BUNDLE"
    with pytest.raises(BundleError, match=mend):
        load_bundle(tmp_path / "my cats.zip")


def test_a_released_model_is_found_by_name_but_a_folder_of_that_name_comes_first(
    make_bundle, tmp_path, monkeypatch
):
    assets = tmp_path / "assets"
    assets.mkdir()
    make_bundle(name="cats99").rename(assets / "cats99")
    monkeypatch.setattr(edgecat.bundle.store, "ASSETS", assets)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert released_names() == ("cats99",)
    assert find_bundle("cats99") == assets / "cats99"
    with pytest.raises(BundleError, match="released model: cats99"):
        find_bundle("cats98")
    (work / "cats99").mkdir()
    assert find_bundle("cats99").resolve() == work / "cats99"


def test_the_released_models_are_whole():
    for name in released_names():
        assert load_bundle(name).spec.name


def test_a_new_bundle_replaces_a_bundle(make_bundle):
    folder = make_bundle()
    spec, files = load_spec(folder), {"model.onnx": FileRecord.of(b"other")}
    with new_bundle(folder) as new:
        (new / "model.onnx").write_bytes(b"other")
        write_manifest(new, type(spec)(**(vars(spec) | {"files": files})))
    assert load_bundle(folder).read("model.onnx") == b"other"
    assert os.listdir(folder.parent) == ["bundle"]


def test_a_failed_new_bundle_leaves_the_old_one(make_bundle):
    folder = make_bundle()
    with pytest.raises(KeyError), new_bundle(folder) as new:
        (new / "model.onnx").write_bytes(b"other")
        raise KeyError
    assert load_bundle(folder).read("model.onnx") == b"no model"


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_new_bundle_never_replaces_something_else(tmp_path, what):
    path = tmp_path / "precious"
    if what == "folder":
        path.mkdir()
        (path / "thesis.txt").write_text("x")
    else:
        path.write_text("x")
    with pytest.raises(BundleError, match="is no bundle"), new_bundle(path):
        pass
    assert path.is_file() or (path / "thesis.txt").read_text() == "x"


@pytest.mark.parametrize("manifest", ["{}", '{"name": "app", "files": ["a.js"]}', "no JSON"])
def test_a_folder_of_somebody_elses_bundle_json_is_never_replaced(tmp_path, manifest):
    path = tmp_path / "app"
    path.mkdir()
    (path / MANIFEST).write_text(manifest)
    (path / "thesis.txt").write_text("x")
    with pytest.raises(BundleError, match="is no bundle"), new_bundle(path):
        pass
    assert (path / "thesis.txt").read_text() == "x"


@pytest.mark.parametrize("add", [add_a_file, add_a_hidden_file, add_a_folder])
def test_a_bundle_among_other_files_is_never_replaced(make_bundle, add):
    folder = make_bundle()
    add(folder)
    before = sorted(os.listdir(folder))
    with pytest.raises(BundleError, match=r"not in the manifest: .*elsewhere"), new_bundle(folder):
        pass
    assert sorted(os.listdir(folder)) == before


def test_a_damaged_bundle_may_be_replaced(make_bundle):
    folder = make_bundle()
    remove(folder)
    with new_bundle(folder) as new:
        (new / MANIFEST).write_text("new")
    assert os.listdir(folder) == [MANIFEST]


def test_an_unreadable_file_is_a_bundle_error(make_bundle):
    folder = make_bundle()
    (folder / "model.onnx").chmod(0)
    for above in (folder, *list(folder.parents)[:3]):
        above.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may read everything; nobody may not
    try:
        with pytest.raises(BundleError, match=r"model\.onnx"):
            load_bundle(folder)
    finally:
        if root:
            os.seteuid(0)
