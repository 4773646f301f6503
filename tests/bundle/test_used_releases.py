"""Which release of an owner a device has used, and what it refuses from then on."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from edgecat.bundle.archive import pack_bundle, unpack_bundle
from edgecat.bundle.manifest import SCHEMA_MINOR, ModelSpec
from edgecat.bundle.release import Release, next_release
from edgecat.bundle.signature import fingerprint, make_key, sign
from edgecat.bundle.signing import sign_bundle
from edgecat.bundle.store import MANIFEST, SIGNATURE, load_bundle, load_spec
from edgecat.bundle.used_releases import find_used_release, remember_release
from edgecat.doctor.machine import read_machine
from edgecat.doctor.variants import check_bundle
from edgecat.errors import (
    BundleError,
    ConfigError,
    RollbackError,
    SelfTestError,
    SignatureError,
    StorageError,
)
from edgecat.runtime.classifier import Classifier
from edgecat.service.live import LiveClassifier

NOW = datetime(2026, 11, 28, 5, 25, tzinfo=UTC)


@pytest.fixture
def owner(tmp_path):
    """The private and the public key of a bundle's owner."""
    return tmp_path / "owner.pem", make_key(tmp_path / "owner.pem")


@pytest.fixture
def make_release(make_bundle, colour_model, owner):
    """A function that makes a bundle which its owner has signed; None for one without a number."""

    def make(number, name=None, golden=None, unused=None):
        more = {"golden.json": golden, "unused": unused}
        files = {"model.onnx": colour_model} | {name: data for name, data in more.items() if data}
        folder = make_bundle(files=files, name=name or f"release-{number}")
        if number is None:
            signature = sign((folder / MANIFEST).read_bytes(), owner[0])
            (folder / SIGNATURE).write_bytes(signature)
        else:
            sign_bundle(folder, owner[0], number=number)
        return folder

    return make


# A golden photo whose stored answer no device gives.
BROKEN = b"""{"photos": [{"name": "a.png", "base64": "", "pixels_sha256": "", "logits": {
    "onnxruntime-fp32": [0, 0, 0]}}]}"""


def use(folder, owner, **options):
    with Classifier.open(folder, signer=owner[1], **options) as classifier:
        return classifier.bundle.spec.release


# Numbers


def test_a_release_is_numbered_by_the_time_at_which_it_is_signed():
    assert next_release(None, None, NOW) == Release(20261128052500, "2026-11-28T05:25:00Z")


def test_a_number_is_above_the_one_before_though_the_clock_is_wrong():
    before = Release(20991231235959, "2099-12-31T23:59:59Z")
    assert next_release(before, None, NOW) == Release(20991231235960, "2026-11-28T05:25:00Z")


def test_an_owner_may_number_releases_themselves():
    assert next_release(Release(6, "2026-01-01T00:00:00Z"), 7, NOW).number == 7


@pytest.mark.parametrize("number", [6, 5, 0, -1, 2**53])
def test_a_number_that_is_no_next_one_is_refused(number):
    with pytest.raises(ValueError, match="number"):
        next_release(Release(6, "2026-01-01T00:00:00Z"), number, NOW)


def test_signing_puts_number_and_date_under_the_signature(make_release, owner):
    folder = make_release(7)
    spec = load_spec(folder)
    assert spec.release.number == 7
    assert load_bundle(folder, signer=owner[1]).spec == spec
    text = (folder / MANIFEST).read_text().replace('"number": 7', '"number": 8')
    (folder / MANIFEST).write_text(text)
    with pytest.raises(SignatureError):
        load_bundle(folder, signer=owner[1])


def test_a_bundle_of_a_newer_edgecat_is_signed_by_that_one(make_release, owner):
    folder = make_release(7)
    text = (folder / MANIFEST).read_text()
    newer = f'"schema_minor": {SCHEMA_MINOR + 1}, "future": 1'
    text = text.replace(f'"schema_minor": {SCHEMA_MINOR}', newer)
    (folder / MANIFEST).write_text(text)
    with pytest.raises(BundleError, match="newer edgecat"):
        sign_bundle(folder, owner[0])
    assert (folder / MANIFEST).read_text() == text


def test_a_wrong_number_leaves_the_bundle_as_it_was(make_release, owner):
    folder = make_release(7)
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(BundleError, match=r"--release: number 7 is not above 7"):
        sign_bundle(folder, owner[0], number=7)
    assert (folder / MANIFEST).read_bytes() == before


# What a device remembers


def test_an_older_release_is_refused_once_a_newer_one_was_used(make_release, owner):
    assert use(make_release(5), owner).number == 5
    assert use(make_release(6), owner).number == 6
    with pytest.raises(RollbackError, match=r"release 5 of .*, but release 6 of .*--allow-older"):
        use(make_release(5, "again"), owner)
    assert use(make_release(7), owner).number == 7


def test_the_same_release_is_used_again_and_again(make_release, owner, state):
    folder = make_release(5)
    use(folder, owner)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in state.iterdir())
    use(folder, owner)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in state.iterdir()) == before


def test_another_bundle_under_the_same_number_is_refused(make_release, owner):
    use(make_release(5), owner)
    with pytest.raises(RollbackError, match="another bundle with that number"):
        use(make_release(5, "other"), owner)


def test_a_signature_without_a_number_holds_until_a_number_was_used(make_release, owner):
    unnumbered = make_release(None)
    assert use(unnumbered, owner) is None
    use(make_release(1), owner)
    with pytest.raises(RollbackError, match="without a number, but release 1"):
        use(unnumbered, owner)


def test_an_old_bundle_signed_again_is_a_new_release(make_release, owner):
    old = make_release(5)
    use(make_release(6), owner)
    sign_bundle(old, owner[0], number=7)
    assert use(old, owner).number == 7


def test_an_older_one_is_taken_if_asked_for_and_the_memory_stays(make_release, owner):
    use(make_release(6), owner)
    assert use(make_release(5), owner, allow_older=True).number == 5
    assert find_used_release(owner[1]).release.number == 6
    assert use(make_release(7), owner, allow_older=True).number == 7
    assert find_used_release(owner[1]).release.number == 6


def test_allowing_older_ones_means_nothing_without_a_key(make_release, tmp_path):
    with pytest.raises(ConfigError, match=r"--allow-older: .*--require-signature"):
        load_bundle(make_release(5), allow_older=True)


def test_each_owner_has_a_memory_of_their_own(make_release, owner, tmp_path):
    use(make_release(6), owner)
    other = tmp_path / "other.pem", make_key(tmp_path / "other.pem")
    theirs = make_release(3)
    (theirs / SIGNATURE).write_bytes(sign((theirs / MANIFEST).read_bytes(), other[0]))
    assert use(theirs, other).number == 3


def test_the_same_key_in_another_file_has_the_same_memory(make_release, owner, tmp_path):
    use(make_release(6), owner)
    copy = tmp_path / "copy.pem"
    copy.write_text("a comment\n" + owner[1].read_text())
    with pytest.raises(RollbackError):
        use(make_release(5), (None, copy))


def test_without_a_required_signature_nothing_is_remembered(make_release, owner, state):
    Classifier.open(make_release(6)).close()
    assert not state.exists()
    assert use(make_release(5), owner).number == 5


def test_what_is_remembered_is_bound_to_all_of_the_bundle(make_release, owner, state):
    folder = make_release(5)
    use(folder, owner)
    record = state / f"release-{fingerprint(owner[1])}.json"
    assert json.loads(record.read_text()) == {
        "release": {"number": 5, "date": load_spec(folder).release.date},
        "manifest_sha256": hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
    }


def test_a_broken_release_with_a_high_number_locks_nobody_out(make_release, owner):
    use(make_release(5), owner)
    with pytest.raises(BundleError):
        use(make_release(9, golden=BROKEN), owner)
    damaged = make_release(10)
    (damaged / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(BundleError):
        use(damaged, owner)
    unused = make_release(11, unused=b"as it was")
    (unused / "unused").write_bytes(b"another..")
    with pytest.raises(BundleError, match=r"unused: its SHA-256"):
        use(unused, owner)
    assert find_used_release(owner[1]).release.number == 5
    assert use(make_release(6), owner).number == 6


def test_a_release_that_this_machine_answers_otherwise_is_not_remembered(
    make_release, make_bundle, owner, colour_model
):
    from edgecat.export.golden import build_golden
    from edgecat.runtime.choice import open_engine

    plain = load_bundle(make_bundle(files={"model.onnx": colour_model}))
    engine = open_engine(plain, "onnxruntime-fp32", 1)
    golden = build_golden([engine], plain.spec.input).to_json()
    use(make_release(5, golden=golden.encode()), owner)
    values = json.loads(golden)
    values["photos"][0]["logits"]["onnxruntime-fp32"][0] += 1
    with pytest.raises(SelfTestError):
        use(make_release(6, golden=json.dumps(values).encode()), owner)
    assert find_used_release(owner[1]).release.number == 5


# Everywhere


def test_an_older_zip_file_is_not_unpacked(make_release, owner, tmp_path):
    pack_bundle(make_release(5), tmp_path / "5.zip")
    use(make_release(6), owner)
    with pytest.raises(RollbackError):
        unpack_bundle(tmp_path / "5.zip", tmp_path / "out", signer=owner[1])
    assert not (tmp_path / "out").exists()
    unpack_bundle(tmp_path / "5.zip", tmp_path / "out", signer=owner[1], allow_older=True)
    assert load_spec(tmp_path / "out").release.number == 5


def test_a_running_service_does_not_go_back(make_release, owner, tmp_path):
    current = tmp_path / "current"
    shutil.copytree(make_release(5), current)
    live = LiveClassifier(current, signer=owner[1])
    for number, is_taken in ((7, True), (6, False), (8, True)):
        shutil.rmtree(current)
        shutil.copytree(make_release(number), current)
        if is_taken:
            assert live.reload_if_changed()
        else:
            with pytest.raises(RollbackError):
                live.reload_if_changed()
            assert "release 6" in live.refusal
            assert live.current.bundle.spec.release.number == 7
    assert live.current.bundle.spec.release.number == 8


def test_doctor_finds_an_older_release_and_names_a_good_one(make_release, owner):
    older, newer = make_release(5), make_release(6)
    use(newer, owner)
    (found, *_) = check_bundle(older, read_machine(), signer=owner[1])
    assert (found.subject, found.status) == ("bundle", "problem")
    assert "release 6" in found.found
    (found, *_) = check_bundle(newer, read_machine(), signer=owner[1])
    assert found.status == "ok"
    assert "release 6 of " in found.found


# The memory itself


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"\xff", b"[]", b"{}", bytes(2**20),
        b'{"release": {"number": 0, "date": "2026-11-28T05:25:00Z"}, "manifest_sha256": ""}',
    ],
)  # fmt: skip
def test_a_damaged_memory_is_told_and_not_taken_for_an_empty_one(make_release, owner, state, data):
    folder = make_release(5)
    use(folder, owner)
    record = state / f"release-{fingerprint(owner[1])}.json"
    record.write_bytes(data)
    with pytest.raises(StorageError, match=r"release-.*\.json: which release was used last"):
        use(folder, owner)
    (found, *_) = check_bundle(folder, read_machine(), signer=owner[1])
    assert found.status == "problem"
    assert record.read_bytes() == data


def test_a_memory_that_cannot_be_written_is_told_and_can_be_done_without(
    make_release, owner, monkeypatch, tmp_path
):
    folder = make_release(5)
    (tmp_path / "file").touch()
    for place in ("/proc/none", str(tmp_path / "file")):
        monkeypatch.setenv("XDG_STATE_HOME", place)
        with pytest.raises(StorageError, match=r"XDG_STATE_HOME .*--allow-older"):
            use(folder, owner)
        assert use(folder, owner, allow_older=True).number == 5


def test_a_known_release_needs_no_memory_that_can_be_written(make_release, owner, state):
    folder = make_release(5)
    use(folder, owner)
    (state / f"release-{fingerprint(owner[1])}.lock").unlink()
    (state / f"release-{fingerprint(owner[1])}.lock").mkdir()  # nobody can write now
    assert use(folder, owner).number == 5
    with pytest.raises(StorageError, match="cannot be remembered"):
        use(make_release(6), owner)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"STATE_DIRECTORY": "{0}/unit:{0}/more", "XDG_STATE_HOME": "{0}/xdg"}, "unit"),
        ({"XDG_STATE_HOME": "{0}/xdg"}, "xdg/edgecat"),
        ({"XDG_STATE_HOME": "relative", "HOME": "{0}/home"}, "home/.local/state/edgecat"),
        ({"XDG_STATE_HOME": "", "HOME": "{0}/home"}, "home/.local/state/edgecat"),
    ],
    ids=["systemd", "XDG", "relative", "home"],
)
def test_where_it_lies(make_release, owner, tmp_path, monkeypatch, variables, place):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    use(make_release(5), owner)
    assert len(list((tmp_path / place).glob("release-*.json"))) == 1


RACE = """
import sys
from pathlib import Path
from edgecat.bundle.release import Release
from edgecat.bundle.used_releases import remember_release
from edgecat.errors import RollbackError
first, signer = int(sys.argv[1]), Path(sys.argv[2])
for number in range(first, 200, 4):
    try:
        remember_release(
            Release(number, "2026-11-28T05:25:00Z"), b"%d" % number, signer, "bundle"
        )
    except RollbackError:
        pass
"""


@pytest.mark.slow  # starts processes
def test_of_processes_that_remember_at_once_the_highest_number_stays(owner):
    processes = [
        subprocess.Popen([sys.executable, "-c", RACE, str(first), owner[1]])
        for first in (1, 2, 3, 4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    used = find_used_release(owner[1])
    assert used.release.number == 199
    assert used.manifest_sha256 == hashlib.sha256(b"199").hexdigest()


def test_a_full_disk_leaves_the_memory_as_it_was(owner, small_disk, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(small_disk))
    remember_release(Release(1, "2026-11-28T05:25:00Z"), b"1", owner[1], "bundle")
    with (small_disk / "fill").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    with pytest.raises(StorageError, match="Free some space"):
        remember_release(Release(2, "2026-11-28T05:25:00Z"), b"2", owner[1], "bundle")
    assert find_used_release(owner[1]).release.number == 1
    pathlib.Path(small_disk / "fill").unlink()
    remember_release(Release(2, "2026-11-28T05:25:00Z"), b"2", owner[1], "bundle")
    assert find_used_release(owner[1]).release.number == 2


def test_a_manifest_of_before_releases_reads_as_one_without(make_bundle):
    folder = make_bundle()
    values = json.loads((folder / MANIFEST).read_text())
    del values["release"], values["schema_minor"]
    assert ModelSpec.from_json(json.dumps(values), "w") == load_spec(folder)
