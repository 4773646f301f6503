"""Where a tuning is kept, and which files there are passed over."""

import dataclasses
import os
import re
import shutil
import subprocess

import pytest

from edgecat.bundle.archive import pack_bundle
from edgecat.bundle.store import load_bundle, released_names
from edgecat.errors import StorageError
from edgecat.runtime.tuned import Found, find_tuning, keep_tuning

FP32 = "onnxruntime-fp32"


@pytest.fixture
def bundle(make_bundle):
    return load_bundle(make_bundle())


@pytest.fixture
def kept(bundle, make_tuning):
    """The file of a tuning of `bundle`."""
    return keep_tuning(bundle, make_tuning(bundle, (FP32, 1, 1.0)))


def test_it_is_kept_beside_the_bundle_which_stays_as_it_was(bundle, kept, tmp_path):
    assert kept == tmp_path / "bundle.tuned.json"
    found = find_tuning(load_bundle(bundle.path))
    assert (found.tuning.variant, found.path, found.dropped) == (FP32, kept, "")
    pack_bundle(bundle.path, tmp_path / "b.zip")


def test_a_bundle_found_by_a_link_is_the_same(bundle, kept, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "current"
    link.symlink_to(bundle.path)
    assert find_tuning(load_bundle(link)).path == kept


def test_a_bundle_of_edgecats_own_is_tuned_in_the_state_folder(make_tuning, state):
    if "cats12" not in released_names():
        pytest.skip("needs edgecat/assets/cats12, not released yet")
    cats = load_bundle("cats12")
    path = keep_tuning(cats, make_tuning(cats, (FP32, 1, 1.0)))
    assert path.parent == state
    assert find_tuning(cats).path == path


@pytest.fixture
def closed(make_bundle):
    """A bundle beside which nothing can be written: its name leaves no room for a longer one."""
    return load_bundle(make_bundle(name="b" * 250))


def test_where_no_file_can_stand_beside_it_is_kept_in_the_state_folder(closed, make_tuning, state):
    path = keep_tuning(closed, make_tuning(closed, (FP32, 1, 1.0)))
    assert path.parent == state
    assert find_tuning(closed).tuning is not None


def test_where_it_can_be_kept_nowhere_it_says_so(closed, make_tuning, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    with pytest.raises((StorageError, OSError)):
        keep_tuning(closed, make_tuning(closed, (FP32, 1, 1.0)))


def test_a_new_tuning_counts_wherever_the_last_one_stands(bundle, make_tuning, state):
    old = make_tuning(bundle, (FP32, 1, 1.0))
    path = keep_tuning(bundle, old)
    state.mkdir()
    own = own_place(state, old)
    shutil.move(path, own)
    assert find_tuning(bundle).path == own
    keep_tuning(bundle, make_tuning(bundle, (FP32, 1, 1.0), date="2026-11-29T10:20:30Z"))
    assert find_tuning(bundle).tuning.date == "2026-11-29T10:20:30Z"


def own_place(state, tuning):
    return state / f"tuned-{tuning.setting.manifest_sha256[:16]}.json"


def test_what_is_no_tuning_in_the_state_folder_is_not_in_the_way(bundle, make_tuning, state):
    tuning = make_tuning(bundle, (FP32, 1, 1.0))
    own_place(state, tuning).mkdir(parents=True)  # which unlink does not remove
    assert keep_tuning(bundle, tuning) == find_tuning(bundle).path


def test_an_older_tuning_that_cannot_be_removed_and_would_count_is_told(
    bundle, make_tuning, small_disk, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(small_disk))
    old = make_tuning(bundle, (FP32, 1, 1.0))
    own = own_place(small_disk / "edgecat", old)
    own.parent.mkdir()
    own.write_text(old.to_json())
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StorageError, match=f"{own}: .*Read-only file system.*remove it"):
        keep_tuning(bundle, make_tuning(bundle, (FP32, 2, 1.0)))


DAMAGES = {
    "empty": (lambda path: path.write_bytes(b""), "not JSON"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:300]), "not JSON"),
    "random": (lambda path: path.write_bytes(os.urandom(500)), "not JSON"),
    "a list": (lambda path: path.write_bytes(b"[]"), "expected named values"),
    "too large": (lambda path: path.write_bytes(b" " * (2**20 + 1)), "larger than"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read|no plain file"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "no plain file"),
    "a link": (
        lambda path: (path.rename(path.with_name("x")), path.symlink_to(path.with_name("x"))),
        "a link",
    ),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_is_no_tuning_is_passed_over_with_the_reason(bundle, kept, damage, words):
    damage(kept)
    found = find_tuning(bundle)
    assert (found.tuning, found.path) == (None, None)
    assert str(kept) in found.dropped
    assert re.search(words, found.dropped)


def test_a_tuning_of_another_bundle_is_passed_over(kept, make_bundle):
    other = load_bundle(make_bundle(name="other", labels=("a", "b", "c")))
    kept.rename(kept.with_name("other.tuned.json"))
    found = find_tuning(other)
    assert found.tuning is None
    assert "it is of another bundle" in found.dropped


def test_a_bundle_that_is_replaced_loses_its_tuning(bundle, kept, make_bundle):
    shutil.rmtree(bundle.path)
    replaced = load_bundle(make_bundle(labels=("x", "y", "z")))
    assert "it is of another bundle" in find_tuning(replaced).dropped


def test_a_forged_one_that_names_what_the_bundle_lacks_is_passed_over(bundle, make_tuning):
    keep_tuning(bundle, make_tuning(bundle, ("evil-fp32", 1, 1.0)))
    found = find_tuning(bundle)
    assert found.tuning is None
    assert "variants that the bundle does not have" in found.dropped


def test_another_version_of_an_engine_is_told(bundle, make_tuning):
    tuning = make_tuning(bundle, (FP32, 1, 1.0))
    versions = {**tuning.setting.versions, "onnxruntime": "1.20.0"}
    setting = dataclasses.replace(tuning.setting, versions=versions)
    keep_tuning(bundle, dataclasses.replace(tuning, setting=setting))
    assert "onnxruntime was 1.20.0 and is " in find_tuning(bundle).dropped


def test_one_that_needs_more_threads_than_there_are_is_passed_over(bundle, make_tuning):
    keep_tuning(bundle, make_tuning(bundle, (FP32, 4000, 1.0)))
    found = find_tuning(bundle)
    assert found.tuning is None
    assert "all of it needs more than " in found.dropped


def test_without_any_tuning_there_is_none_and_nothing_to_say(bundle, closed):
    for one in (bundle, closed):
        assert find_tuning(one) == Found()
