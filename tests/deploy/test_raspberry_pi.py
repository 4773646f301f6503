"""The Raspberry Pi's install script and units: linted, locked in, and run for real in a folder."""

import os
import shutil
import subprocess
from pathlib import Path

import arm64
import pytest

ROOT = Path(__file__).parents[2]
PI = ROOT / "deploy" / "raspberry-pi"
UNITS = ["edgecat-watch.service", "edgecat-serve.service"]

# systemd's own scale from 0 to 10; its verdict on 3.0 is "OK", on an ordinary service 9.6 "UNSAFE".
MAX_EXPOSURE = 3.0


@pytest.mark.parametrize(
    "script", [PI / "install.sh", PI / "uninstall.sh", ROOT / ".ci/run"], ids=lambda path: path.name
)
def test_shellcheck_finds_nothing(linter, script):
    done = subprocess.run([linter("shellcheck"), script], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_locked_in_and_has_no_unknown_keys(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        assert not os.environ.get("CI"), "apt-get install systemd"
        pytest.skip("needs systemd-analyze (apt-get install systemd)")
    shutil.copytree(PI / "systemd", tmp_path / "etc/systemd/system")
    analyze = ["systemd-analyze", "security", "--offline=true", f"--root={tmp_path}", "--no-pager"]
    done = subprocess.run(
        [*analyze, f"--threshold={10 * MAX_EXPOSURE:.0f}", unit], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout


def run_script(name, root, *arguments):
    done = subprocess.run(
        [PI / name, "--root", root, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def list_files(root):
    """Return each file's and link's path and time, without bytecode, which Python may rewrite."""
    return {
        path.relative_to(root): path.lstat().st_mtime_ns
        for path in root.rglob("*")
        if path.suffix != ".pyc" and not path.is_dir()
    }


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The root of an installation."""
    root = tmp_path_factory.mktemp("pi")
    run_script("install.sh", root, wheel)
    return root


@pytest.mark.installs
def test_installing_again_keeps_settings_and_packages(installed, wheel):
    settings = installed / "etc/edgecat/watch.env"
    settings.write_text(settings.read_text() + "# mine\n")
    token = installed / "etc/edgecat/token"
    numpy = next(installed.rglob("numpy/__init__.py"))
    kept = {path: (path.read_text(), path.stat().st_mtime_ns) for path in (settings, token, numpy)}
    names = list_files(installed).keys()
    run_script("install.sh", installed, wheel)
    assert {path: (path.read_text(), path.stat().st_mtime_ns) for path in kept} == kept
    assert list_files(installed).keys() == names


@pytest.mark.installs
def test_uninstalling_leaves_no_trace_and_may_be_repeated(installed, tmp_path):
    root = shutil.copytree(installed, tmp_path / "pi", symlinks=True)
    for _ in range(2):
        run_script("uninstall.sh", root)
        assert list_files(root) == {}
        assert not (root / "opt/edgecat").exists()
        assert not (root / "etc/edgecat").exists()


def test_uninstalling_leaves_what_it_did_not_install(tmp_path):
    for name in ("opt/edgecat/garden.edgecat/bundle.json", "etc/edgecat/owner.pem"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    before = list_files(tmp_path)
    run_script("uninstall.sh", tmp_path)
    assert list_files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--verbose"], ["--verbose: no such option", "--root DIR"]),
        (["no-such.whl"], ["no-such.whl: no such wheel"]),
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
        [PI / "install.sh", "--root", tmp_path / "root"], capture_output=True, text=True,
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
