"""The systemd units: locked in, and their commands do what systemd waits for."""

import os
import re
import shutil
import socket
import string
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy/raspberry-pi/systemd"
WITH_NETWORK = UNITS.parents[1] / "home-assistant/edgecat-watch.service.d"
NAMES = ["edgecat-watch.service", "edgecat-serve.service"]

# systemd's own scale from 0 to 10; its verdict on 3.0 is "OK", on an ordinary service 9.6 "UNSAFE".
MAX_EXPOSURE = 3.0


@pytest.mark.parametrize("unit", NAMES)
def test_a_unit_is_locked_in_and_has_no_unknown_keys(unit, tmp_path):
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    check_exposure(unit, tmp_path)


def test_so_is_the_one_that_may_use_the_network(tmp_path):
    units = shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    shutil.copytree(WITH_NETWORK, units / WITH_NETWORK.name)
    check_exposure("edgecat-watch.service", tmp_path)


def check_exposure(unit, root):
    if not shutil.which("systemd-analyze"):
        assert not os.environ.get("CI"), "apt-get install systemd"
        pytest.skip("needs systemd-analyze (apt-get install systemd)")
    analyze = ["systemd-analyze", "security", "--offline=true", f"--root={root}", "--no-pager"]
    done = subprocess.run(
        [*analyze, f"--threshold={10 * MAX_EXPOSURE:.0f}", unit], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout


def read_settings(path):
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def start_unit(unit, installed, state, manager, **settings):
    """Start the command of a unit as systemd would.

    Args:
        unit: Its file's name.
        installed: Stands for / where the unit reads.
        state: Stands for / where it writes, and where photos arrive.
        manager: The socket that systemd listens to.
        settings: Other than those in the unit's file of settings.
    """
    name = unit.removeprefix("edgecat-").removesuffix(".service")
    (command,) = re.findall("^ExecStart=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
    variables = read_settings(installed / f"etc/edgecat/{name}.env") | settings
    variables["CREDENTIALS_DIRECTORY"] = "/etc/edgecat"
    line = string.Template(command).substitute(variables)
    line = re.sub(r"(?<!\S)(?=/(opt|etc)/)", str(installed), line)
    line = re.sub(r"(?<!\S)(?=/(srv|var)/)", str(state), line)
    environment = {"PATH": "/usr/bin:/bin", "WATCHDOG_USEC": "1000000", "NOTIFY_SOCKET": manager}
    return subprocess.Popen(line.split(), env=environment)


@pytest.fixture
def manager():
    """Listens as systemd does to what services tell it; its name is in the abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0edgecat-test-{os.getpid()}")
        listener.settimeout(60)
        yield listener


@pytest.mark.installs
@pytest.mark.parametrize("unit", NAMES)
def test_a_units_command_gets_ready_stays_alive_and_stops(unit, installed, manager, tmp_path):
    for folder in ("srv/photos", "var/lib/edgecat-watch"):
        (tmp_path / folder).mkdir(parents=True)
    name = f"@edgecat-test-{os.getpid()}"
    with start_unit(unit, installed, tmp_path, name, PORT="0") as process:
        try:
            told = []
            while not {"READY=1", "WATCHDOG=1"} <= set(told):
                told += manager.recv(1000).decode().splitlines()
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert told.index("READY=1") < told.index("WATCHDOG=1")
