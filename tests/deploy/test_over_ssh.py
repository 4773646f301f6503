"""`edgecat benchmark --host --install`: a machine with Python alone measures, and keeps nothing."""

import json
import os

import pytest

from tests.remote.another_machine import SSHD, start, stop

pytestmark = pytest.mark.installs


def test_a_machine_without_edgecat_measures_with_this_one_and_keeps_nothing(tmp_path):
    if SSHD is None:
        assert not os.environ.get("CI"), "apt-get install openssh-server"
        pytest.skip("needs sshd (openssh-server)")
    # Where this machine's pip finds packages, as another machine's would be set up to.
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    device = start(tmp_path, tmp_path / "tmp", pip)
    try:
        device.remove("edgecat")
        there = "benchmark", "cats12", "--host", device.host, "--install", "--rounds", 10
        report = json.loads(device.run(*there, "--json", "-"))
        assert {row["variant"] for row in report["rows"]} == {
            "onnxruntime-fp32",
            "onnxruntime-int8",
        }
        device.wait_until_clean()
    finally:
        stop(device.server)
