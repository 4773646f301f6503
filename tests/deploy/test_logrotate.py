"""The example of a rotation, run by the real logrotate while results are written."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgecat.watch.journal import Journal, JournalPlace
from edgecat.watch.photo import Photo, Stamp

EXAMPLE = Path(__file__).parents[2] / "deploy/raspberry-pi/logrotate/edgecat-watch"
PLACE = "/var/lib/private/edgecat-watch"


class Said(list):
    say = list.append


def test_the_example_rotates_and_packs_results_and_nothing_is_lost(tmp_path):
    if not shutil.which("logrotate"):
        assert not os.environ.get("CI"), "apt-get install logrotate"
        pytest.skip("needs logrotate (apt-get install logrotate)")
    text = EXAMPLE.read_text()
    assert f"\n{PLACE}/results.jsonl {{\n" in text
    (tmp_path / "example").write_text(text.replace(PLACE, str(tmp_path)))
    (tmp_path / "example").chmod(0o644)
    out, said = tmp_path / "results.jsonl", Said()
    rotate = ["logrotate", "--force", "--state", tmp_path / "state", tmp_path / "example"]
    journal = Journal(JournalPlace(out, tmp_path / "in"), said, on_step=lambda: None)
    for number in range(3):
        journal.add(Photo(f"{number}.jpg", Stamp(1, 1, 1), bytes(32)), {"answer": "x"})
        journal.deliver()
        done = subprocess.run(rotate, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    journal.deliver()
    journal.close()
    packed = sorted(tmp_path.glob("results.jsonl.*.gz"))
    assert len(packed) == 2
    lines = b"".join(gzip.decompress(path.read_bytes()) for path in packed)
    lines += (tmp_path / "results.jsonl.1").read_bytes()
    assert lines.count(b"\n") == 3
    assert out.read_bytes() == b""
    assert len(said) == 3
