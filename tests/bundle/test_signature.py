"""Keys, signatures, and bundles that only their owner can have made."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgecat.bundle.archive import pack_bundle, unpack_bundle
from edgecat.bundle.signature import make_key, sign, verify
from edgecat.bundle.signing import sign_bundle
from edgecat.bundle.store import MANIFEST, SIGNATURE, find_bundle, load_bundle
from edgecat.errors import BundleError, SignatureError
from edgecat.runtime.classifier import Classifier
from edgecat.service.live import LiveClassifier


@pytest.fixture
def owner(tmp_path):
    """The private and the public key of a bundle's owner."""
    return tmp_path / "owner.pem", make_key(tmp_path / "owner.pem")


@pytest.fixture
def stranger(tmp_path):
    """Somebody else's."""
    return tmp_path / "stranger.pem", make_key(tmp_path / "stranger.pem")


def openssl(*arguments):
    if shutil.which("openssl") is None:
        pytest.skip("needs the command openssl")
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)


# Keys


def test_only_the_owner_may_read_a_new_private_key(tmp_path):
    public = make_key(tmp_path / "owner.pem")
    assert public == tmp_path / "owner.pub.pem"
    private = public.with_name("owner.pem")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize("taken", ["owner.pem", "owner.pub.pem"])
def test_a_key_is_never_overwritten(tmp_path, taken):
    (tmp_path / taken).write_text("precious")
    with pytest.raises(SignatureError, match=rf"{taken}: exists.*--out another name"):
        make_key(tmp_path / "owner.pem")
    assert os.listdir(tmp_path) == [taken]
    assert (tmp_path / taken).read_text() == "precious"


def test_two_keys_differ(owner, stranger):
    assert owner[0].read_text() != stranger[0].read_text()


def test_openssl_accepts_our_signature_and_we_accept_its(tmp_path, owner):
    (tmp_path / "data").write_bytes(b"some bytes")
    (tmp_path / "ours").write_bytes(sign(b"some bytes", owner[0]))
    say = ("pkeyutl", "-rawin", "-in", tmp_path / "data")
    openssl(*say, "-verify", "-pubin", "-inkey", owner[1], "-sigfile", tmp_path / "ours")

    key, public = tmp_path / "theirs.pem", tmp_path / "theirs.pub.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    openssl(*say, "-sign", "-inkey", key, "-out", tmp_path / "theirs")
    verify(b"some bytes", (tmp_path / "theirs").read_bytes(), public, "data")
    assert sign(b"some bytes", key) == (tmp_path / "theirs").read_bytes()


def test_a_key_with_a_passphrase_says_how_to_unlock_it(tmp_path):
    key = tmp_path / "locked.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x", "-out", key)
    with pytest.raises(SignatureError, match=r"locked.pem: locked.*openssl pkey -in"):
        sign(b"x", key)


def rsa(path):
    openssl("genpkey", "-algorithm", "RSA", "-out", path)


def rsa_public(path):
    rsa(path.with_name("rsa.pem"))
    openssl("pkey", "-in", path.with_name("rsa.pem"), "-pubout", "-out", path)


def cut_off(path):
    path.write_text("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n")


NO_KEYS = {
    "nothing": (lambda path: None, "No such file"),
    "a folder": (lambda path: path.mkdir(), "directory"),
    "empty": (lambda path: path.touch(), "no {kind} Ed25519 key"),
    "no PEM": (lambda path: path.write_bytes(bytes(range(256))), "no {kind} Ed25519 key"),
    "cut off": (cut_off, "no {kind} Ed25519 key"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "larger than"),
}


@pytest.mark.parametrize(
    ("make", "words"),
    [*NO_KEYS.values(), (rsa, "no private Ed25519 key"), (make_key, "no private Ed25519 key")],
    ids=[*NO_KEYS, "RSA", "a public key"],
)
def test_what_is_no_private_key_is_refused(tmp_path, make, words):
    make(tmp_path / "key.pem")
    key = tmp_path / ("key.pub.pem" if make is make_key else "key.pem")
    with pytest.raises(SignatureError, match=words.format(kind="private")):
        sign(b"x", key)


@pytest.mark.parametrize(
    ("make", "words"),
    [*NO_KEYS.values(), (rsa_public, "no public Ed25519 key"), (make_key, "a private key")],
    ids=[*NO_KEYS, "RSA", "a private key"],
)
def test_what_is_no_public_key_is_refused(tmp_path, make, words):
    make(tmp_path / "key.pem")
    with pytest.raises(SignatureError, match=words.format(kind="public")):
        verify(b"x", bytes(64), tmp_path / "key.pem", "x")


# Bundles


def test_a_signed_bundle_opens_with_and_without_asking_for_its_owner(make_bundle, owner):
    folder = make_bundle()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    sign_bundle(folder, owner[0])
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {MANIFEST, SIGNATURE}
    assert after[SIGNATURE] == load_bundle(folder).signature
    assert load_bundle(folder, signer=owner[1]).spec == load_bundle(folder).spec
    assert os.listdir(folder.parent).count("bundle") == 1
    assert not [name for name in os.listdir(folder.parent) if name.startswith(".")]


def test_the_classifier_asks_too(make_bundle, colour_model, owner, stranger):
    folder = make_bundle(files={"model.onnx": colour_model})
    with pytest.raises(SignatureError, match="not signed, and"):
        Classifier.open(folder, signer=owner[1])
    sign_bundle(folder, owner[0])
    Classifier.open(folder, signer=owner[1]).close()
    with pytest.raises(SignatureError, match="not signed by the owner of"):
        Classifier.open(folder, signer=stranger[1])


def test_a_running_service_goes_over_to_signed_bundles_only(
    make_bundle, colour_model, owner, tmp_path
):
    files = {"model.onnx": colour_model}
    first, forged, second = (
        make_bundle(files=files, name=name) for name in ("first", "forged", "second")
    )
    sign_bundle(first, owner[0], number=1)
    sign_bundle(second, owner[0], number=2)
    pack_bundle(forged, tmp_path / "forged.zip")
    pack_bundle(second, tmp_path / "second.zip")
    live = LiveClassifier(first, signer=owner[1])
    unpack_bundle(tmp_path / "forged.zip", first)
    with pytest.raises(SignatureError):
        live.reload_if_changed()
    assert live.current.bundle.spec.name == "first"
    unpack_bundle(tmp_path / "second.zip", first)
    assert live.reload_if_changed()
    assert live.current.bundle.spec.name == "second"


def test_signing_again_replaces_the_signature(make_bundle, owner, stranger):
    folder = make_bundle()
    sign_bundle(folder, stranger[0])
    sign_bundle(folder, owner[0])
    load_bundle(folder, signer=owner[1])
    with pytest.raises(SignatureError):
        load_bundle(folder, signer=stranger[1])


def test_every_changed_bit_of_manifest_or_signature_is_noticed(make_bundle, owner):
    folder = make_bundle()
    sign_bundle(folder, owner[0])
    for name, step in ((MANIFEST, 97), (SIGNATURE, 5)):
        whole = (folder / name).read_bytes()
        for bit in range(0, 8 * len(whole), step):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(changed)
            with pytest.raises(SignatureError):
                load_bundle(folder, signer=owner[1])
        (folder / name).write_bytes(whole)
    load_bundle(folder, signer=owner[1])


def test_a_manifest_that_fits_changed_files_is_noticed(make_bundle, owner):
    """The attack that SHA-256 alone does not stop: other files, and a manifest made for them."""
    mine, evil = make_bundle(), make_bundle(files={"model.onnx": b"evil"}, name="evil")
    sign_bundle(mine, owner[0])
    shutil.copy(mine / SIGNATURE, evil / SIGNATURE)
    load_bundle(evil)
    with pytest.raises(SignatureError, match="not signed by the owner"):
        load_bundle(evil, signer=owner[1])


def test_a_changed_file_is_noticed_although_the_signature_is_right(make_bundle, owner):
    folder = make_bundle()
    sign_bundle(folder, owner[0])
    (folder / "model.onnx").write_bytes(b"No model")
    with pytest.raises(BundleError, match="SHA-256"):
        load_bundle(folder, signer=owner[1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(bytes(63)),
        lambda path: path.write_bytes(bytes(65)),
        lambda path: path.touch(),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ],
    ids=["short", "long", "empty", "folder", "endless", "dangling", "pipe"],
)
def test_what_is_no_signature_is_refused_even_where_none_is_required(make_bundle, spoil):
    folder = make_bundle()
    spoil(folder / SIGNATURE)
    with pytest.raises(BundleError, match=r"bundle\.sig: "):
        load_bundle(folder)


def test_a_damaged_bundle_is_not_signed(make_bundle, owner):
    folder = make_bundle()
    (folder / "model.onnx").write_bytes(b"No model")
    with pytest.raises(BundleError, match="SHA-256"):
        sign_bundle(folder, owner[0])
    assert not (folder / SIGNATURE).exists()


def test_a_released_model_is_signed_only_as_a_copy(owner):
    with pytest.raises(BundleError, match=r"sign a copy.*edgecat bundle pack cats12"):
        sign_bundle(Path("cats12"), owner[0])
    with pytest.raises(BundleError, match="sign a copy"):
        sign_bundle(find_bundle("cats12"), owner[0])


def test_a_bundle_behind_a_link_is_signed_and_the_link_stays(make_bundle, owner, tmp_path):
    folder = make_bundle()
    (tmp_path / "current").symlink_to(folder)
    sign_bundle(tmp_path / "current", owner[0])
    assert (tmp_path / "current").is_symlink()
    load_bundle(folder, signer=owner[1])


def test_without_cryptography_bundles_open_and_a_required_signature_says_what_to_install(
    make_bundle, owner
):
    script = """
import sys
sys.modules["cryptography"] = None  # as if it were not installed
from edgecat.bundle.store import load_bundle
from edgecat.errors import SignatureError
load_bundle(sys.argv[1])
try:
    load_bundle(sys.argv[1], signer=sys.argv[2])
except SignatureError as error:
    print(error)
"""
    folder = make_bundle()
    sign_bundle(folder, owner[0])
    done = subprocess.run(
        [sys.executable, "-c", script, folder, owner[1]], capture_output=True, text=True, check=True
    )
    assert "pip install 'edgecat[sign]'" in done.stdout
