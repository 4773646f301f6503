"""What `pip install edgecat` puts on a Raspberry Pi."""

import importlib.metadata
import re

import pytest

pytestmark = pytest.mark.emulated

# numpy, Pillow, ONNX Runtime and what this needs take 162 with their bytecode, cats12 takes 8,
# edgecat's code 5.
MAX_SIZE_MB = 175

NEEDED = {"click", "numpy", "onnxruntime", "pillow"}
NEEDED_BY_ONNXRUNTIME = {"flatbuffers", "packaging", "protobuf"}


def list_names(requirements):
    return {re.match(r"[\w-]+", line)[0] for line in requirements if "extra ==" not in line}


def test_it_stays_within_its_budget(install):
    # The bytecode that pip compiles counts too.
    size_bytes = sum(path.stat().st_size for path in install("12").rglob("*") if path.is_file())
    assert size_bytes <= MAX_SIZE_MB * 1e6


def test_the_device_gets_four_packages_and_what_these_need(install):
    installed = importlib.metadata.distributions(path=[str(install("12"))])
    packages = {package.metadata["Name"]: package for package in installed}
    assert list_names(packages["edgecat"].requires) == NEEDED
    assert set(packages) == {"edgecat"} | NEEDED | NEEDED_BY_ONNXRUNTIME
