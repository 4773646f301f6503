"""What a running service does with signals; `edgecat watch` and `stream` are tested as a whole."""

import signal
import socket
from types import SimpleNamespace

import pytest

from edgecat.errors import BundleError
from edgecat.progress import Silent
from edgecat.service.live import LiveClassifier
from edgecat.service.process import Service

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
        signal.raise_signal(number)
        assert service.is_stopping()
        assert service.exit_code == code
        assert signal.getsignal(number) == signal.SIG_DFL


def test_hanging_up_does_not_ask_for_the_end():
    with Service(Silent()) as service:
        signal.raise_signal(signal.SIGHUP)
        assert not service.is_stopping()


class Reloads:
    """A classifier that counts how often it was asked to reload."""

    def __init__(self):
        self.number = 0

    def reload_if_changed(self):
        return False

    def reload(self):
        self.number += 1
        raise BundleError("refused")


def test_a_hangup_in_the_midst_of_a_look_is_not_lost(monkeypatch):
    looks = []

    def hang_up_during_the_first():
        looks.append(None)
        if len(looks) == 1:
            signal.raise_signal(signal.SIGHUP)
        return 0.0

    classifier = Reloads()
    with Service(Silent()) as service, monkeypatch.context() as patch:
        patch.setattr(
            "edgecat.service.process.time", SimpleNamespace(monotonic=hang_up_during_the_first)
        )
        for _ in range(3):
            service.attend(classifier)
    assert classifier.number == 1


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
