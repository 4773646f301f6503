"""From a key to a device that takes only its owner's bundles, as a user types it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from edgecat.bundle.store import MANIFEST
from edgecat.cli.main import _run
from edgecat.errors import BundleError, ConfigError, DeviceError, RollbackError, SignatureError
from edgecat.runtime.classifier import Classifier

KEY, PUBLIC = "owner.pem", "owner.pub.pem"


@pytest.fixture(autouse=True)
def photo(tmp_path, monkeypatch):
    """A photo in the working folder."""
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").save("cat.png")


def test_a_bundle_is_signed_packed_sent_and_used_only_with_its_owners_key(
    make_bundle, colour_model, capsys
):
    make_bundle(files={"model.onnx": colour_model})
    use = ["predict", "sent", "cat.png", "--require-signature"]
    assert _run(["keygen", "--out", KEY]) == 0
    assert f"next: edgecat sign BUNDLE --key {KEY}" in capsys.readouterr().out
    assert _run(["sign", "bundle", "--key", KEY]) == 0
    assert _run(["bundle", "pack", "bundle", "--out", "b.zip"]) == 0
    assert "b.zip: bundle, " in capsys.readouterr().out
    assert _run(["bundle", "unpack", "b.zip", "--out", "sent", "--require-signature", PUBLIC]) == 0
    assert _run([*use, PUBLIC]) == 0
    assert "cat.png: " in capsys.readouterr().out

    assert _run(["inspect", "sent", "--require-signature", PUBLIC]) == 0
    assert capsys.readouterr().out.endswith(f"signed by the owner of {PUBLIC}\n")
    assert _run(["keygen", "--out", "thief.pem"]) == 0
    assert _run([*use, "thief.pub.pem"]) == SignatureError.exit_code
    assert "not signed by the owner of thief.pub.pem" in capsys.readouterr().err
    assert _run([*use, KEY]) == SignatureError.exit_code
    assert "a private key; keep it where you sign" in capsys.readouterr().err


OPENING = pytest.mark.parametrize(
    "command",
    [
        ["predict", "bundle", "cat.png"],
        ["inspect", "bundle"],
        ["evaluate", "bundle", "."],
        ["watch", "bundle", ".", "--out", "results.jsonl", "--once"],
        ["serve", "bundle", "--port", "0"],
        ["bundle", "unpack", "b.zip", "--out", "sent"],
    ],
    ids=lambda command: command[0],
)


@OPENING
def test_an_unsigned_bundle_is_refused_wherever_a_signature_is_required(
    make_bundle, command, capsys
):
    make_bundle()
    assert _run(["bundle", "pack", "bundle", "--out", "b.zip"]) == 0
    assert _run(["keygen", "--out", KEY]) == 0
    capsys.readouterr()
    assert _run([*command, "--require-signature", PUBLIC]) == SignatureError.exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert "not signed, and a signature by the owner of owner.pub.pem is required" in err
    assert not Path("sent").exists()


@OPENING
def test_an_older_release_is_refused_wherever_a_signature_is_required(
    make_bundle, colour_model, command, capsys
):
    newer = make_bundle(files={"model.onnx": colour_model}, name="newer")
    make_bundle(files={"model.onnx": colour_model})
    assert _run(["keygen", "--out", KEY]) == 0
    assert _run(["sign", "bundle", "--key", KEY, "--release", "5"]) == 0
    assert _run(["sign", "newer", "--key", KEY, "--release", "6"]) == 0
    assert "signed with owner.pem, release 6 of 20" in capsys.readouterr().out
    assert _run(["bundle", "pack", "bundle", "--out", "b.zip"]) == 0
    Classifier.open(newer, signer=Path(PUBLIC)).close()
    capsys.readouterr()
    assert _run([*command, "--require-signature", PUBLIC]) == RollbackError.exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert "release 5 of 20" in err
    assert not Path("sent").exists()


def test_a_released_model_that_is_refused_is_called_by_its_name(capsys):
    assert _run(["keygen", "--out", KEY]) == 0
    capsys.readouterr()
    assert _run(["predict", "cats12", "cat.png", "--require-signature", PUBLIC]) == 16
    assert capsys.readouterr().err.startswith("error: cats12: not signed, ")


def test_an_older_release_is_taken_with_allow_older(make_bundle, colour_model, capsys):
    make_bundle(files={"model.onnx": colour_model})
    newer = make_bundle(files={"model.onnx": colour_model}, name="newer")
    _run(["keygen", "--out", KEY])
    _run(["sign", "bundle", "--key", KEY, "--release", "5"])
    _run(["sign", "newer", "--key", KEY, "--release", "6"])
    Classifier.open(newer, signer=Path(PUBLIC)).close()
    capsys.readouterr()
    assert _run(["inspect", "bundle", "--require-signature", PUBLIC, "--allow-older"]) == 0
    assert "\nrelease 5 of 20" in capsys.readouterr().out
    assert _run(["inspect", "bundle", "--allow-older"]) == ConfigError.exit_code
    assert "add --require-signature" in capsys.readouterr().err


def test_a_number_that_is_not_above_the_last_one_is_refused(make_bundle, capsys):
    make_bundle()
    _run(["keygen", "--out", KEY])
    assert _run(["sign", "bundle", "--key", KEY, "--release", "5"]) == 0
    assert _run(["sign", "bundle", "--key", KEY, "--release", "5"]) == BundleError.exit_code
    assert "--release: number 5 is not above 5" in capsys.readouterr().err


def test_the_doctor_finds_an_unsigned_bundle(make_bundle, colour_model, capsys):
    make_bundle(files={"model.onnx": colour_model})
    _run(["keygen", "--out", KEY])
    assert _run(["doctor", "bundle", "--require-signature", PUBLIC]) == DeviceError.exit_code
    assert "not signed, and a signature by the owner of" in capsys.readouterr().out
    _run(["sign", "bundle", "--key", KEY])
    _run(["doctor", "bundle", "--require-signature", PUBLIC])
    assert f"signed by the owner of {PUBLIC}" in capsys.readouterr().out


def test_inspect_says_whether_a_bundle_is_signed(make_bundle, capsys):
    make_bundle()
    _run(["keygen", "--out", KEY])
    assert _run(["inspect", "bundle"]) == 0
    assert capsys.readouterr().out.endswith("\nnot signed\n")
    _run(["sign", "bundle", "--key", KEY])
    assert _run(["inspect", "bundle"]) == 0
    assert "signed; by whom, tells --require-signature" in capsys.readouterr().out


def test_inspect_refuses_a_search_that_nobody_wrote(make_bundle, capsys):
    folder = make_bundle()
    values = json.loads((folder / MANIFEST).read_text())
    step = {"recipe": {"title": "a"}, "change": {"drop_pp": 0, "agreement_ratio": 1}}
    endless = step | {"latency_ratio": 1, "duration_s": 10**400}
    for search in ("steep", *({"onnxruntime-fp32": {"steps": [one]}} for one in ({}, endless))):
        values["provenance"] = {"search": search}
        (folder / MANIFEST).write_text(json.dumps(values))
        assert _run(["inspect", "bundle"]) == 5
        assert "'search' is not what 'edgecat export --int8' writes" in capsys.readouterr().err
