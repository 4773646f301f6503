import pytest

from edgecat.doctor.checks.glibc import check_glibc
from edgecat.doctor.checks.processor import check_processor
from edgecat.doctor.checks.python import check_python
from edgecat.doctor.checks.system import check_system
from edgecat.doctor.machine import is_older, read_machine


def test_a_64_bit_raspberry_pi_is_fine_and_named(make_pi):
    finding = check_system(make_pi())
    assert (finding.status, finding.mend) == ("ok", "")
    assert finding.found == "64-bit Python on aarch64, Raspberry Pi 4 Model B Rev 1.4"


@pytest.mark.parametrize(
    ("facts", "words", "mend"),
    [
        ({"bits": 32}, "32-bit Python on aarch64", "64-bit Raspberry Pi OS"),
        (
            {"bits": 32, "machine": "armv7l"},
            "no ONNX Runtime for 32 bits",
            "64-bit Raspberry Pi OS",
        ),
        ({"machine": "riscv64"}, "on riscv64", "x86_64 or aarch64"),
    ],
)
def test_a_system_without_wheels_is_a_problem(make_pi, facts, words, mend):
    finding = check_system(make_pi(**facts))
    assert finding.status == "problem"
    assert words in finding.found
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("machine", "glibc", "status"),
    [
        ("aarch64", "2.41", "ok"),
        ("aarch64", "2.35", "ok"),
        ("aarch64", "2.31", "ok"),
        ("x86_64", "2.31", "ok"),
        ("aarch64", "2.27", "problem"),
        ("x86_64", "2.17", "problem"),
        ("x86_64", "", "problem"),  # musl
    ],
)
def test_the_c_library_must_fit_the_wheels(make_pi, machine, glibc, status):
    finding = check_glibc(make_pi(machine=machine, glibc=glibc))
    assert finding.status == status
    assert bool(finding.mend) == (status != "ok")


@pytest.mark.parametrize(
    ("python", "status"),
    [("3.11.0", "ok"), ("3.13.5", "ok"), ("3.9.2", "problem"), ("3.15.0rc1", "ok")],
)
def test_python_must_be_new_enough(make_pi, python, status):
    assert check_python(make_pi(python=python)).status == status


def test_versions_are_compared_as_numbers():
    assert is_older("2.9", "2.28")
    assert not is_older("2.28", "2.28")
    assert not is_older("3.11.2", "3.11")


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "status", "words"),
    [
        (
            "aarch64",
            "Features: fp asimd crc32",
            "ok",
            ["Raspberry Pi 4", "neither", "less than half"],
        ),
        ("aarch64", "Features: asimd fphp asimddp", "ok", ["dot product, fp16", "a third"]),
        ("x86_64", "model name: N97\nflags: avx2 avx_vnni", "ok", ["N97: VNNI; favours INT8"]),
        ("x86_64", "flags: avx2 avx512_vnni avx512_bf16", "ok", ["VNNI, bf16"]),
        ("x86_64", "model name: i5\nflags: avx2", "ok", ["i5: neither", "verdict"]),
        ("x86_64", "model name: Atom\nflags: sse4_2", "warning", ["Atom", "no AVX2"]),
        ("x86_64", "", "warning", ["no AVX2"]),
    ],
)
def test_a_processor_is_named_by_what_it_favours(make_pi, machine, cpuinfo, status, words):
    finding = check_processor(make_pi({"proc/cpuinfo": cpuinfo}, machine=machine))
    assert finding.status == status
    assert all(word in finding.found for word in words), finding.found


def test_this_machine_is_read_whole():
    machine = read_machine()
    assert machine.bits in (32, 64)
    assert machine.packages["onnxruntime"] and machine.packages["numpy"]
    assert check_system(machine).status == "ok"  # it runs the tests
