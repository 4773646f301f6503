"""Devices get the versions that edgecat is tested with, and nothing that is not pinned by hash."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Device -> the extras that it is given.
EXTRAS = {
    "raspberry-pi": ["serve", "sign", "mqtt"],
    "intel": ["openvino", "serve", "sign", "mqtt"],
}


def read_pins(path):
    """Return the version of each package."""
    lines = re.findall(r"^([\w.-]+)==([^\s\\]+)", path.read_text(), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in lines}


@pytest.mark.parametrize("device", EXTRAS)
def test_a_device_gets_the_versions_that_edgecat_is_tested_with(device):
    tested = read_pins(ROOT / "constraints.txt")
    pins = read_pins(ROOT / "deploy" / device / "requirements.txt")
    both = tested.keys() & pins.keys()
    assert {name: pins[name] for name in both} == {name: tested[name] for name in both}


@pytest.mark.parametrize("device", EXTRAS)
def test_all_that_edgecat_needs_on_a_device_is_pinned(device):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = list(project["dependencies"])
    for extra in EXTRAS[device]:
        needed += project["optional-dependencies"][extra]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in needed}
    assert names <= read_pins(ROOT / "deploy" / device / "requirements.txt").keys()


@pytest.mark.parametrize("device", EXTRAS)
def test_every_pin_has_a_hash_and_names_no_index(device):
    text = (ROOT / "deploy" / device / "requirements.txt").read_text()
    pins = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    assert all(re.match(r"\S+==\S+\s+--hash=sha256:", pin) for pin in pins)
