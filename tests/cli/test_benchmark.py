"""`edgecat benchmark` as a process: what Ctrl-C leaves, and what does not go together."""

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest

from edgecat.cli.main import _run

pytestmark = pytest.mark.slow  # starts processes


@pytest.fixture
def bundle(make_bundle, colour_model):
    return make_bundle(files={"model.onnx": colour_model})


# The same command, which tells each second, or each opening.
LOUD = """
import sys
from edgecat.bench import openings, sustained
from edgecat.cli.main import main

def loud(action):
    def tell(*arguments):
        found = action(*arguments)
        print("measured", file=sys.stderr, flush=True)
        return found
    return tell

sustained._Log.add = loud(sustained._Log.add)
openings.take_turns = loud(openings.take_turns)
main()
"""

NUM_MEASURED = 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("options", "kept_in"),
    [(["--minutes", "60"], "spans"), (["--margin", "0.1", "--seconds", "3600"], "rows")],
    ids=["sustained", "openings"],
)
def test_ctrl_c_keeps_what_was_measured_and_marks_it(bundle, tmp_path, number, options, kept_in):
    file = tmp_path / "run.json"
    arguments = ["benchmark", str(bundle), *options, "--json", str(file)]
    with subprocess.Popen(
        [sys.executable, "-c", LOUD, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        measured = (line for line in process.stderr if line == "measured\n")
        assert len(list(itertools.islice(measured, NUM_MEASURED))) == NUM_MEASURED
        os.killpg(process.pid, number)  # as a terminal does: to all of them
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "PARTIAL: ended after " in out
    kept = json.loads(file.read_text())
    assert kept["is_partial"] is True
    assert kept[kept_in]


@pytest.mark.parametrize("options", [["--minutes", "0.05"], ["--rounds", "12"]])
def test_a_run_to_its_end_is_no_partial_one(bundle, capsys, options):
    assert _run(["benchmark", str(bundle), *options, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["is_partial"] is False


@pytest.mark.parametrize("option", ["--rounds=20", "--margin=1", "--seconds=9", "--data=photos"])
def test_what_has_no_say_in_a_sustained_run_is_refused(bundle, capsys, option):
    assert _run(["benchmark", str(bundle), "--minutes", "1", option]) == 2
    name = option.partition("=")[0]
    assert f"--minutes with {name}: " in capsys.readouterr().err
