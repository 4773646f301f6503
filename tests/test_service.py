"""What a running service does with signals; `edgecat watch` and `stream` are tested as a whole."""

import os
import signal
import socket

import pytest

from edgecat.progress import Silent
from edgecat.runtime.live import LiveClassifier
from edgecat.service import Service

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


def test_the_signals_are_given_back():
    before = handlers()
    with Service(Silent()):
        assert handlers() != before
    assert handlers() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_asks_for_the_end_and_a_second_one_would_end_the_process(number, code):
    with Service(Silent()) as service:
        assert not service.is_stopping()
        os.kill(os.getpid(), number)
        service.wait(60)
        assert service.is_stopping()
        assert service.exit_code == code
        assert signal.getsignal(number) == signal.SIG_DFL


def test_hanging_up_does_not_ask_for_the_end():
    with Service(Silent()) as service:
        os.kill(os.getpid(), signal.SIGHUP)
        service.wait(0.01)
        assert not service.is_stopping()


def test_systemd_is_told_of_the_beginning_of_being_alive_and_of_the_end(
    tmp_path, monkeypatch, make_bundle, colour_model
):
    classifier = LiveClassifier(make_bundle(files={"model.onnx": colour_model}))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        with Service(Silent()) as service:
            service.tell_ready()
            service.attend(classifier)
            service.attend(classifier)  # too soon to tell again
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
