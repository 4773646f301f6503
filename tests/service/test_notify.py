"""The datagrams that systemd waits for, received on a real socket."""

import os
import socket

import pytest

from edgecat.errors import ConfigError
from edgecat.service.notify import notify, watchdog_interval_s


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_state_arrives_at_the_service_manager(kind, tmp_path, monkeypatch):
    name = str(tmp_path / "notify") if kind == "path" else f"@edgecat-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0") if kind == "abstract" else name)
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_a_service_manager_nothing_happens(address, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval_s"),
    [
        (None, None, None),
        ("", None, None),
        ("30000000", None, 15),
        ("30000000", str(os.getpid()), 15),
        ("30000000", "1", None),  # meant for another process
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(microseconds, pid, interval_s, monkeypatch):
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_interval_s() == interval_s


@pytest.mark.parametrize("microseconds", ["soon", "-1", "0", "1.5"])
def test_a_watchdog_time_that_is_none_is_refused(microseconds, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with pytest.raises(ConfigError, match="WATCHDOG_USEC"):
        watchdog_interval_s()
