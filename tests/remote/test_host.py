"""`edgecat benchmark --host`: over a real sshd, with a mend for each thing that goes wrong."""

import io
import json
import os
import re
import signal
import subprocess
import zipfile

import pytest

from edgecat.bundle.store import load_bundle
from edgecat.errors import ConfigError, DeviceError
from edgecat.remote.host import check_host
from edgecat.remote.measure import list_wheels, pack_package
from tests.remote.another_machine import command, find_port, wait_for, write_program

pytestmark = pytest.mark.slow  # starts processes

QUICK = ("--rounds", 10)


def benchmark(device, *more, bundle="cats12"):
    return "benchmark", bundle, "--host", device.host, *QUICK, *more


def test_the_result_of_another_machine_comes_back_and_nothing_is_left_there(device, tmp_path):
    table = device.run(*benchmark(device, "--json", tmp_path / "there.json"))
    assert "onnxruntime-int8" in table
    report = json.loads((tmp_path / "there.json").read_text())
    assert {row["variant"] for row in report["rows"]} == {"onnxruntime-fp32", "onnxruntime-int8"}
    asked = {"bundle": "cats12", "num_rounds": 12}  # ten, in twelve openings
    assert asked.items() <= report["settings"].items()
    device.wait_until_clean()


def test_another_machine_is_watched_for_minutes(device, tmp_path):
    file = tmp_path / "there.json"
    there = "benchmark", "cats12", "--host", device.host, "--minutes", 0.05, "--json", file
    assert "too short to tell" in device.run(*there)
    assert json.loads(file.read_text())["is_partial"] is False
    device.wait_until_clean()


def test_the_fastest_variant_of_another_machine_is_told_and_not_kept(device, tmp_path):
    there = "tune", "cats12", "--host", device.host, "--seconds", 2
    tuning = json.loads(device.run(*there, "--json"))
    assert tuning["variant"] in {timing["variant"] for timing in tuning["timings"]}
    assert tuning["file"] is None
    told = device.run(*there, "--data", tmp_path, code=ConfigError.exit_code)
    assert "photos do not travel" in told
    device.wait_until_clean()


@pytest.mark.parametrize("config", ["stranger", "unknown"])
def test_whoever_is_not_let_in_is_told_at_once_how_to_get_in(device, config):
    told = device.run(*benchmark(device), config=config, code=DeviceError.exit_code)
    wanted = {
        "stranger": f"Permission denied: it takes none of your keys, .* ssh-copy-id {device.host}",
        "unknown": "Host key verification failed: nobody has vouched for its key yet",
    }
    assert_matches(wanted[config], told)


def test_a_machine_that_is_off_is_told_with_what_to_try(device):
    host = f"ssh://somebody@127.0.0.1:{find_port()}"
    told = device.run("benchmark", "cats12", "--host", host, code=DeviceError.exit_code)
    assert_matches(f"no connection .*refused.*; look whether it is on.*ssh {host} true", told)


def test_a_machine_without_edgecat_or_python_is_told_what_to_install(device):
    device.remove("edgecat")
    told = device.run(*benchmark(device), code=DeviceError.exit_code)
    assert_matches("there is no edgecat; add --install .* pip install edgecat", told)
    device.remove("python3")
    for more in ((), ("--install",)):
        told = device.run(*benchmark(device, *more), code=DeviceError.exit_code)
        assert_matches("there is no python3; install it there: sudo apt install python3", told)
    assert device.left == []


def test_another_version_of_edgecat_there_is_refused(device):
    write_program(
        device.folder / "bin" / "edgecat",
        '[ "$1" = --version ] && echo "edgecat, version 0.0.1" || exit 2',
    )
    told = device.run(*benchmark(device), code=DeviceError.exit_code)
    assert_matches("it has edgecat 0.0.1, this is .*; add --install .*pip install -U", told)
    assert device.left == []


def test_what_is_said_beside_the_result_is_no_part_of_it(device):
    (device.folder / ".bashrc").write_text("echo Welcome to this machine\n")
    program = device.folder / "bin" / "edgecat"
    measure = program.read_text().splitlines()[-1]
    # As many lines as a run of hours says, a line a minute.
    loud = "i=0; while [ $i -lt 300 ]; do echo minute $i >&2; i=$((i + 1)); done"
    write_program(program, f'[ "$1" != benchmark ] || {{ {loud}; }}\n{measure}')
    assert "onnxruntime-int8" in device.run(*benchmark(device))


def test_what_ssh_is_set_to_do_beside_is_left_out(device):
    socket = device.folder / "control"
    settings = (device.folder / "config").read_text()
    settings += f"RemoteCommand sh\nControlMaster auto\nControlPath {socket}\nControlPersist 60\n"
    (device.folder / "busy").write_text(settings)
    assert "onnxruntime-int8" in device.run(*benchmark(device), config="busy")
    assert not socket.exists()  # whose sessions this one would wait for


def test_a_full_disk_there_is_told(make_device, small_disk):
    device = make_device(small_disk)
    told = device.run(*benchmark(device), code=DeviceError.exit_code)
    assert_matches("its temporary folder has no room; free some there", told)
    assert device.left == []


def test_where_pip_finds_no_wheels_it_is_told_for_which_machines_there_are_some(make_device):
    device = make_device(PIP_NO_INDEX="1")
    told = device.run(*benchmark(device, "--install"), code=DeviceError.exit_code)
    assert_matches("pip could not install what edgecat needs: .* architecture", told)
    assert device.left == []


@pytest.mark.parametrize("how", ["Ctrl-C", "kill", "connection"])
def test_what_is_broken_off_ends_there_and_leaves_nothing(device, how):
    long = command(*benchmark(device, "--margin", "0.1", "--seconds", "600"))
    started = subprocess.Popen(
        # Whoever runs these tests in the background has Ctrl-C ignored in all that they start.
        ["env", "--default-signal=INT", *long],
        env=device.environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: any((folder / "bundle").is_dir() for folder in device.left))
    if how == "connection":
        sessions = children_of(device.server.pid)
        assert sessions
        for session in sessions:
            os.kill(session, signal.SIGKILL)
    else:
        started.send_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)
    _, said = started.communicate()
    assert started.returncode == {"Ctrl-C": 130, "kill": -9, "connection": 15}[how], said
    if how == "connection":
        assert_matches("no connection .*Nothing is left there", said)
    device.wait_until_clean()


def test_photos_do_not_travel_and_there_is_nothing_to_install_on_no_machine(device, tmp_path):
    for arguments, words in (
        (benchmark(device, "--data", tmp_path), "photos do not travel"),
        (("benchmark", "cats12", "--install"), "--host, which is not given"),
    ):
        assert words in device.run(*arguments, code=ConfigError.exit_code)


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch x", "--", "", "a b", "a;b", "$(x)", "a@b@c", "ssh://-x/y"]
)
def test_what_is_no_host_never_reaches_ssh(host):
    with pytest.raises(ConfigError, match="accepted are user@device"):
        check_host(host)


@pytest.mark.parametrize(
    "host", ["pi", "pi@device", "pi@192.168.0.7", "ssh://pi@device:22", "pi@[fe80::1%eth0]"]
)
def test_a_host_is_taken_as_ssh_takes_it(host):
    check_host(host)


def assert_matches(pattern, text):
    assert re.search(pattern, text, re.DOTALL), text


def children_of(pid):
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in done.stdout.split()]


def test_the_package_that_travels_is_this_one_and_whole():
    names = zipfile.ZipFile(io.BytesIO(pack_package())).namelist()
    assert {"edgecat/__init__.py", "edgecat/remote/script.py", "edgecat/serve/page.html"} <= {
        *names
    }
    assert not [name for name in names if "__pycache__" in name]


def test_what_is_installed_there_is_what_this_edgecat_asks_for():
    found = list_wheels(load_bundle("cats12"))
    assert {"click", "numpy", "onnxruntime", "pillow"} <= {
        name.partition(">")[0].partition("!")[0] for name in found
    }
    assert all(" " not in name for name in found)


def test_a_package_whose_files_are_older_than_zip_files_can_say_is_packed(tmp_path, monkeypatch):
    file = tmp_path / "edgecat" / "__init__.py"
    file.parent.mkdir()
    file.touch()
    os.utime(file, (0, 0))
    monkeypatch.setattr("edgecat.__file__", str(file))
    with zipfile.ZipFile(io.BytesIO(pack_package())) as packed:
        assert packed.namelist() == ["edgecat/__init__.py"]
