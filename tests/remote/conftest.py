"""Another machine, for as long as a test lasts."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tests.remote.another_machine import SSHD, start, stop


def pytest_collection_modifyitems(items):
    """Without a server there is no other machine; in CI that is a failure."""
    if SSHD is None or shutil.which("ssh") is None:
        assert not os.environ.get("CI"), "apt-get install openssh-server"
        for item in items:
            if Path(item.path).parent == Path(__file__).parent:
                item.add_marker(pytest.mark.skip(reason="needs sshd (openssh-server)"))


@pytest.fixture
def make_device(tmp_path):
    """A function that starts a machine whose folder of temporary files is the one given."""
    with contextlib.ExitStack() as stack:

        def make(temporary=None, **variables):
            device = start(tmp_path, temporary or tmp_path / "tmp", variables)
            stack.callback(stop, device.server)
            return device

        yield make


@pytest.fixture
def device(make_device):
    return make_device()
