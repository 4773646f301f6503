"""Which of edgecat's variants dominates a peer, and what the page says of it."""

import numpy as np
import pytest

from benchmarks.peers.environments import last_line
from benchmarks.peers.peer import list_peers
from benchmarks.peers.pis_table import format_pis, summarize_pis
from benchmarks.peers.table import format_peers, summarize_peers
from benchmarks.peers.verdict import compare, find_dominating

NUM_PHOTOS = 100
OURS = "edgecat/onnxruntime-int8"


def make_row(name, num_right, ratio=1.0, margin=0.01, first=0):
    """Make a row: right are `num_right` photos from `first` on; `ratio` is its time by ours."""
    right = np.isin(np.arange(NUM_PHOTOS), np.arange(first, first + num_right))
    speed = {
        "ratio": ratio,
        "ratio_interval": [ratio - margin, ratio + margin],
    }
    speed |= {"noise": {"verdict": "quiet"}}
    speed |= {"to": {OURS: dict(speed)}, "latency_ms": {"p50": ratio, "p99": 2 * ratio}}
    return {
        "name": name,
        "right": "".join("01"[int(one)] for one in right),
        "top1_ratio": num_right / NUM_PHOTOS,
        "top1_interval_ratio": [0.0, 1.0],
        "agreement_ratio": 1.0,
        "cold_start_ms": 100.0,
        "peak_rss_bytes": 50_000_000,
        "size_bytes": 2_000_000,
        "install_bytes": 90_000_000,
        "threads": {"1": speed, "2": speed},
    }


def make_result(*rows):
    return {
        "host": {"cpu": "A processor", "features": ["avx2"]},
        "arch": "mobilenet_v3_small",
        "num_photos": {"val": 50, "test": 50},
        "reference": "onnxruntime/default",
        "rows": list(rows),
    }


@pytest.mark.parametrize(
    ("peer", "own", "is_dominated"),
    [
        ({"num_right": 90, "ratio": 1.2}, {"num_right": 90}, True),
        ({"num_right": 90, "ratio": 1.2}, {"num_right": 89}, True),  # one photo is no proof
        ({"num_right": 90, "ratio": 1.2}, {"num_right": 70}, False),  # shown to be worse
        ({"num_right": 90, "ratio": 0.9}, {"num_right": 90}, False),  # slower
        ({"num_right": 90, "ratio": 1.005}, {"num_right": 90}, False),  # not shown to be as fast
        ({"num_right": 50, "ratio": 5.0}, {"num_right": 60, "first": 40}, True),
    ],
)
def test_a_peer_is_dominated_by_what_is_as_right_and_not_slower(peer, own, is_dominated):
    row, ours = make_row("peer/default", **peer), make_row(OURS, **own)
    assert (find_dominating(row, [ours], "1") is not None) == is_dominated


def test_a_duel_counts_the_photos_that_only_one_has_right():
    duel = compare(make_row("peer/default", 50), make_row(OURS, 60, first=40), "1")
    assert (duel.num_lost, duel.num_gained) == (40, 50)


def test_of_several_the_most_accurate_dominates():
    row = make_row("peer/default", 90, ratio=1.5)
    better = make_row("edgecat/onnxruntime-fp32", 91)
    row["threads"]["1"]["to"][better["name"]] = {"ratio": 1.1, "ratio_interval": [1.05, 1.15]}
    found = find_dominating(row, [make_row(OURS, 90), better], "1")
    assert found.variant == better["name"]


def test_the_page_names_who_is_not_dominated_and_why_a_row_is_missing():
    result = make_result(
        make_row(OURS, 90),
        make_row("slow/default", 90, ratio=2.0),
        make_row("fast/default", 90, ratio=0.5),
        {"name": "gone/default", "missing": "pip: no such package"},
    )
    page = format_peers(result)
    assert "|`fast/default`|" in page
    assert "- `gone/default`: pip: no such package" in page
    assert "quiet 6" in page  # three rows, with 1 and 2 threads
    assert "1 thread 1 of 2 (1)" in summarize_peers(result)
    assert "not `fast/default`" in summarize_peers(result)


def test_a_peer_that_failed_in_the_race_says_so_in_its_row():
    row = make_row("peer/default", 90)
    row["threads"] = {"1": {"missing": "ended by signal 4"}}
    assert "ended by signal 4" in format_peers(make_result(make_row(OURS, 90), row))


def test_all_requirements_are_pinned_and_used():
    from benchmarks.peers.environments import REQUIREMENTS

    named = {name for peer in list_peers().values() for name in (peer.makes_in, peer.runs_in)}
    assert named == {path.stem for path in REQUIREMENTS.glob("*.txt")}
    for path in REQUIREMENTS.glob("*.txt"):
        for line in path.read_text().splitlines():
            assert "==" in line or line.startswith(("#", "--constraint", "edgecat")), line


def test_of_pips_complaints_the_last_error_is_the_reason():
    said = "WARNING: old\nERROR: first\nERROR: No matching distribution found for x\nWARNING: y\n"
    assert last_line(said) == "ERROR: No matching distribution found for x"
    assert last_line("a\nlast\n\n") == "last"


def test_on_a_pi_a_peer_is_dominated_by_fewer_instructions_and_as_many_answers():
    def make(name, agreement, ratio):
        return {"machine": "pi5", "name": name, "agreement_ratio": agreement, "ratio": ratio}

    rows = [
        make("ncnn/fp32", 1.0, 0.30),
        make("litert/int8", 0.9, 0.10),
        make("edgecat/ncnn-fp32", 1.0, 0.29),
        make("edgecat/ncnn-fp16", 0.99, 0.16),
        {"machine": "pi5", "name": "ncnn/int8", "missing": "not in its wheel"},
    ]
    result = {"reference": "onnxruntime/default", "num_photos": 24, "rows": rows}
    assert summarize_pis(result) == (
        "pi5: `ncnn-fp16` takes 0.16x; 1 of 2 peers are dominated, not `litert/int8`"
    )
    table = format_pis(result)
    assert "|`edgecat/ncnn-fp16`|||0.160x, 99 %|" in table
    assert "|`ncnn/int8`|||not to be had|" in table
