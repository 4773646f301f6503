"""The fuzzers' cases, a few hundred of each kind; benchmarks/reliability runs tens of thousands."""

import random
import sys

import pytest

from benchmarks.reliability import fuzz_bundles, fuzz_pixels
from benchmarks.reliability.fuzzing import run_cases
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.oracle import find_lie

pytestmark = pytest.mark.slow  # opens hundreds of damaged files in fresh processes


def run(check, num_cases):
    """Run cases in processes of their own: a forged model may harm its process."""
    outcome = run_cases(check, num_cases)
    assert outcome.findings == []
    return outcome.counts


def test_damaged_photos_are_refused_or_make_pixels():
    words = run(fuzz_pixels.check, 400)
    assert words["refused"] > 100
    assert words["answered"] > 40


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", [*fuzz_bundles.CHECKS])
def test_damaged_bundles_are_refused_or_true(kind, monkeypatch, tmp_path):
    pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    words = run(fuzz_bundles.CHECKS[kind], 40)
    assert words["refused"] >= 15
    if kind == "damaged models":
        assert words["answered"] == 0


def test_the_oracle_tells_a_bundle_that_lies(make_bundle):
    folder = make_bundle()
    assert find_lie(folder) is None
    (folder / "model.onnx").write_bytes(b"No model")
    assert find_lie(folder) == "'model.onnx' has another record"
    (folder / "evil.py").touch()
    assert "evil.py" in find_lie(folder)


def test_a_case_is_always_the_same_and_never_the_good_file():
    data = bytes(range(256)) * 4
    for case in range(200):
        once, again = (mutate(random.Random(case), data, [data]) for _ in range(2))
        assert once == again != data


def test_the_runner_reports_what_is_wrong_and_goes_on_after_a_crash(tmp_path):
    """The fuzzers' claims are worth nothing if a crash or a hang goes by unnoticed."""
    (tmp_path / "bad_cases.py").write_text(
        "import os, time\n"
        "def check(case):\n"
        "    if case == 2:\n"
        "        os.abort()\n"
        "    if case == 5:\n"
        "        raise KeyError('x')\n"
        "    if case == 6:\n"
        "        while time.process_time() < 3:\n"
        "            pass\n"
        "    return 'refused', ''\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        outcome = run_cases(__import__("bad_cases").check, 10)
    finally:
        sys.path.remove(str(tmp_path))
    assert outcome.counts == {"refused": 7, "crash": 1, "broken check": 1, "hang": 1}
    assert sorted(finding["case"] for finding in outcome.findings) == [2, 5, 6]
