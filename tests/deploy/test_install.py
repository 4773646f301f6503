"""The Raspberry Pi's scripts: linted, refused where they cannot work, run for real in a folder."""

import os
import shutil
import subprocess
from pathlib import Path

import arm64
import pytest

ROOT = Path(__file__).parents[2]
PI = ROOT / "deploy" / "raspberry-pi"


@pytest.mark.parametrize(
    "script", [PI / "install.sh", PI / "uninstall.sh", ROOT / ".ci/run"], ids=lambda path: path.name
)
def test_shellcheck_finds_nothing(linter, script):
    done = subprocess.run([linter("shellcheck"), script], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


def list_files(root):
    """Return the files and links, without bytecode, which Python writes when it likes."""
    return {path for path in root.rglob("*") if path.suffix != ".pyc" and not path.is_dir()}


@pytest.mark.installs
def test_the_model_in_use_is_at_first_the_released_one(installed):
    bundle = (installed / "opt/edgecat/bundle").resolve()
    assert bundle.name == "cats12"
    assert bundle.is_relative_to(installed / "opt/edgecat/venv")


@pytest.mark.installs
def test_installing_again_keeps_settings_and_packages(run_script, installed, wheel):
    settings = installed / "etc/edgecat/watch.env"
    settings.write_text(settings.read_text() + "# mine\n")
    token = installed / "etc/edgecat/token"
    numpy = next(installed.rglob("numpy/__init__.py"))
    kept = {path: (path.read_text(), path.stat().st_mtime_ns) for path in (settings, token, numpy)}
    files = list_files(installed)
    run_script("install.sh", installed, wheel)
    assert {path: (path.read_text(), path.stat().st_mtime_ns) for path in kept} == kept
    assert list_files(installed) == files


@pytest.mark.installs
def test_uninstalling_leaves_no_trace_and_may_be_repeated(run_script, installed, tmp_path):
    root = shutil.copytree(installed, tmp_path / "pi", symlinks=True)
    for _ in range(2):
        run_script("uninstall.sh", root)
        assert list_files(root) == set()
        assert not (root / "opt/edgecat").exists()
        assert not (root / "etc/edgecat").exists()


def test_uninstalling_leaves_what_it_did_not_install(run_script, tmp_path):
    for name in ("opt/edgecat/garden.edgecat/bundle.json", "etc/edgecat/owner.pem"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    before = list_files(tmp_path)
    run_script("uninstall.sh", tmp_path)
    assert list_files(tmp_path) == before


@pytest.mark.parametrize("unit", ["edgecat-watch", "edgecat-serve"])
def test_uninstalling_says_where_peoples_photos_stay(run_script, tmp_path, unit):
    kept = tmp_path / "var/lib/private" / unit / "kept/photos"
    kept.mkdir(parents=True)
    told = run_script("uninstall.sh", tmp_path)
    assert f"kept photos of {unit} stay in {kept.parents[1]}" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--verbose"], ["--verbose: no such option", "--root DIR"]),
        (["no-such.whl"], ["no-such.whl: no such file", "edgecat==VERSION"]),
        ([], ["give a wheel or edgecat==VERSION"]),
        (["--root"], ["--root needs a folder"]),
    ],
)
def test_a_wrong_call_says_so_and_makes_nothing(arguments, words, tmp_path):
    done = subprocess.run(
        [PI / "install.sh", "--root", tmp_path, *arguments], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert all(word in done.stderr for word in words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("32-bit", ["32-bit", "Raspberry Pi OS (64-bit)"]),
        ("old", ["too old", "Debian 12"]),
        ("without venv", ["apt-get install python3-venv"]),
    ],
)
def test_a_system_that_cannot_run_it_is_told_why(python, words, tmp_path):
    check = {"32-bit": "maxsize", "old": "version_info", "without venv": "ensurepip"}[python]
    fake = tmp_path / "bin/python3"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\ncase "$*" in *{check}*) exit 1;; esac\n')
    fake.chmod(0o755)
    done = subprocess.run(
        [PI / "install.sh", "--root", tmp_path / "root", "edgecat==1"],
        capture_output=True, text=True,
        env=os.environ | {"PATH": f"{fake.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.installs
@pytest.mark.parametrize("debian", arm64.RELEASES)
def test_the_pins_install_on_both_releases(debian, tmp_path):
    pins = ["--require-hashes", "-r", str(PI / "requirements.txt")]
    arm64.install_wheels(arm64.RELEASES[debian], tmp_path, "--dry-run", *pins)
