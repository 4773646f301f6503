"""Which kind of processor is this?"""

import platform
from pathlib import Path

import pytest

from edgecat.bundle.manifest import TARGETS
from edgecat.machine import cpu


@pytest.mark.parametrize(
    ("machine", "flags", "target"),
    [
        ("x86_64", "fpu avx2 avx512_vnni", "x86-vnni"),
        ("x86_64", "fpu avx2 avx_vnni", "x86-vnni"),
        ("x86_64", "fpu avx2", "x86-avx2"),
        ("x86_64", "", "x86-avx2"),
        ("aarch64", "fp asimd asimddp", "arm"),
        ("arm64", "", "arm"),
    ],
)
def test_the_flags_decide(monkeypatch, machine, flags, target):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(cpu, "read_cpuinfo", lambda: {"flags": flags})
    assert cpu.detect_target() == target


def test_a_machine_without_cpuinfo_is_taken_to_have_nothing(monkeypatch):
    def refuse(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", refuse)
    assert cpu.read_cpuinfo() == {}
    assert cpu.list_features({}) == []


def test_this_machine_is_one_of_them():
    assert cpu.detect_target() in TARGETS
