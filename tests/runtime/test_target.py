"""Which kind of processor is this?"""

import platform

import pytest

from edgecat.runtime import target as targets
from edgecat.runtime.target import TARGETS, detect_target, tell_target


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
    monkeypatch.setattr(targets, "read_cpuinfo", lambda: {"flags": flags})
    assert detect_target() == target


def test_this_machine_is_one_of_them():
    assert detect_target() in TARGETS


def test_of_a_kind_that_a_bundle_was_not_judged_for_the_next_best_counts():
    assert tell_target("x86_64", ["avx_vnni"], among=("x86-avx2", "arm")) == "x86-avx2"


def test_names_that_are_not_known_here_count_for_nothing():
    assert tell_target("x86_64", ["avx_vnni"], among=("x86-amx", "x86-vnni")) == "x86-vnni"
    assert tell_target("x86_64", ["avx_vnni"], among=("x86-amx",)) == "x86-vnni"
