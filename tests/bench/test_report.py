import dataclasses
import json
from importlib.metadata import PackageNotFoundError

import pytest

import edgecat
from edgecat.bench.energy import Energy, PhotoEnergy
from edgecat.bench.host import describe_host
from edgecat.bench.report import Report, Row, find_notes, format_report, format_table
from edgecat.bench.stages import Stages, VariantStages
from edgecat.machine.conditions import read_conditions
from edgecat.machine.noise import Noise
from edgecat.scores.class_score import ClassScore

FP32 = Row(
    variant="onnxruntime-fp32",
    threads=4,
    precision="fp32",
    latency_ms={"p50": 10.0, "p95": 11.0, "p99": 123.456},
    latency_interval_ms=(9.9, 10.2),
    throughput_ips=90.4,
    cold_start_ms=345.6,
    peak_rss_bytes=98_765_432,
    size_bytes=6_100_000,
    ratio_to_fp32=None,
)
INT8 = dataclasses.replace(
    FP32,
    variant="onnxruntime-int8",
    precision="int8 (52 of 54 convolutions and matrix products)",
    ratio_to_fp32=0.5,
    size_bytes=1_700_000,
)
SETTINGS = {"num_rounds": 200, "threads": 4, "batch_size": 8}


def report(*rows, skipped=None, notes=()):
    now = read_conditions()
    noise = Noise("noisy", 0.03, ("other programs were running",))
    return Report(describe_host(), SETTINGS, rows, skipped or {}, notes, now, now, noise)


def test_the_host_is_described():
    host = describe_host()
    assert set(host) == {
        "cpu", "machine", "num_cpus", "num_usable_cores", "features", "governor", "temperature_c",
        "load_1min", "system", "python", "versions",
    }  # fmt: skip
    assert 1 <= host["num_usable_cores"] <= host["num_cpus"]
    assert host["load_1min"] >= 0
    assert {"edgecat", "numpy", "pillow", "onnxruntime"} <= set(host["versions"])
    assert host["temperature_c"] is None or -40 < host["temperature_c"] < 150
    assert json.loads(json.dumps(host)) == host


def test_the_host_tells_edgecats_own_version_also_where_it_is_not_installed(monkeypatch):
    def not_installed(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    assert describe_host()["versions"] == {"edgecat": edgecat.__version__}


@pytest.mark.parametrize(
    ("variant", "ratio", "is_noted"),
    [
        ("onnxruntime-int8", 1.25, True),
        ("openvino-int8", 1.01, True),
        ("onnxruntime-int8", 1.0, False),
        ("onnxruntime-int8", 0.4, False),
        ("onnxruntime-int8", None, False),
        ("openvino-bf16", 1.5, False),
        ("openvino-int8bf16", 1.5, True),
    ],
)
def test_an_int8_model_slower_than_fp32_is_called_slower(variant, ratio, is_noted):
    interval = None if ratio is None else (0.995 * ratio, 1.005 * ratio)
    row = dataclasses.replace(INT8, variant=variant, ratio_to_fp32=ratio, ratio_interval=interval)
    notes = find_notes([FP32, row], 1)
    assert len(notes) == is_noted
    if is_noted:
        assert f"{variant} is SLOWER" in notes[0]
        assert f"{ratio:.2f}" in notes[0]


def test_a_model_that_may_be_as_fast_as_fp32_is_not_called_slower():
    row = dataclasses.replace(INT8, ratio_to_fp32=1.01, ratio_interval=(0.98, 1.04))
    assert find_notes([FP32, row], 1) == ()


def test_answers_to_another_number_of_photos_are_refused():
    for num_images, right in ((10**12, "01"), (None, "0{None}"), (2, "02")):
        with pytest.raises(ValueError, match="right: not one of 0 and 1"):
            dataclasses.replace(FP32, num_images=num_images, right=right)


def test_a_tables_columns_are_aligned():
    table = format_table(
        [("name", "a", "long head"), ("x", "1.25", "2"), ("longer name", "10", "")]
    )
    assert table.splitlines() == [
        "name            a  long head",
        "-----------  ----  ---------",
        "x            1.25          2",
        "longer name    10",
    ]


def test_a_report_has_a_line_a_variant_under_its_head():
    head, rule, *rows = format_report(report(FP32, INT8)).splitlines()[:4]
    ends = [
        index
        for index in range(len(rule))
        if rule[index] == "-" and rule[index : index + 2] != "--"
    ]
    assert head.split("  ")[0] == "variant"
    assert [row.split()[0] for row in rows] == ["onnxruntime-fp32", "onnxruntime-int8"]
    for line in rows:
        # Numbers stand to the right: each column but the first ends where its rule ends.
        assert all(line[end] != " " for end in ends[1:] if end < len(line))
        assert all(line[end + 1] == " " for end in ends if end + 1 < len(line))
    cells = [row.split() for row in rows]
    assert cells[0][1:5] == ["10.00", "11.00", "123.46", "-"]
    assert "0.50x" in cells[1]
    assert [row[-4] for row in cells] == ["6.10", "1.70"]
    assert [row[-1] for row in cells] == ["fp32", "int8"]


def test_a_report_says_what_was_skipped_and_noted_and_how_it_was_measured():
    text = format_report(report(FP32, skipped={"openvino-bf16": "no bf16"}, notes=("mind this",)))
    noise = "noise: noisy: differences below 3.0 % are not told apart; other programs were running"
    for line in ("not run: openvino-bf16: no bf16", "NOTE: mind this", noise):
        assert line in text.splitlines()
    for part in (
        "200 photos of each",
        "threads: 4",
        "batch 8",
        f"{describe_host()['num_cpus']} CPUs",
    ):
        assert part in text


def test_accuracy_stands_with_its_interval_and_number():
    row = dataclasses.replace(
        FP32,
        top1_ratio=0.9,
        top1_interval_ratio=(0.85, 0.934),
        num_images=150,
        macro_f1_ratio=0.456,
        per_class={"Maine Coon": ClassScore(141, 1.0, 0.9), "Sphynx": ClassScore(9, 1 / 3, 1.0)},
    )
    text = format_report(report(row, INT8))
    for part in ("85.0-93.4 (90.0)", " 45.6 ", "n = 150", "macro F1 %"):
        assert part in text
    recalls = [line.split() for line in text.splitlines() if line.startswith(("Maine", "Sphynx"))]
    assert recalls == [["Maine", "Coon", "141", "100.0", "-"], ["Sphynx", "9", "33.3", "-"]]
    (note,) = find_notes([row], 1)
    assert note.startswith("fewer than 10 photos of Sphynx (9)")


def test_a_report_becomes_plain_json():
    values = json.loads(json.dumps(report(FP32, INT8).to_dict()))
    assert set(values) == {
        "host", "settings", "rows", "skipped", "notes", "before", "after", "noise", "stages",
        "energy", "no_energy", "is_partial", "schema_version",
    }  # fmt: skip
    assert values["rows"][0]["latency_ms"]["p99"] == 123.456
    assert values["rows"][1]["ratio_to_fp32"] == 0.5


def test_threads_that_share_the_cores_are_noted():
    assert find_notes([FP32, INT8], 1) == ()
    assert "--threads 1" in find_notes([FP32, INT8], 2)[-1]
    assert find_notes([FP32], 2) == ()


def test_the_stages_are_a_line_each():
    decode, preprocess, infer, postprocess, total = (
        {"p50": float(i), "p90": i + 0.5, "p99": i + 0.75} for i in range(1, 6)
    )
    own = {"onnxruntime-int8": VariantStages(infer, postprocess, total)}
    found = dataclasses.replace(report(FP32), stages=Stages(60, decode, preprocess, own))
    lines = [line.split() for line in format_report(found).splitlines()]
    at = lines.index(["stage,", "60", "photos", "p50", "ms", "p90", "ms", "p99", "ms"])
    assert lines[at + 2 : at + 7] == [
        ["decode", "1.00", "1.50", "1.75"],
        ["preprocess", "2.00", "2.50", "2.75"],
        ["onnxruntime-int8:", "infer", "3.00", "3.50", "3.75"],
        ["onnxruntime-int8:", "postprocess", "4.00", "4.50", "4.75"],
        ["onnxruntime-int8:", "all", "four", "5.00", "5.50", "5.75"],
    ]


def test_what_a_photo_costs_stands_with_its_interval_or_why_nobody_knows():
    energy = Energy("a meter", 1.5, {"onnxruntime-int8": PhotoEnergy(0.0105, (0.01, 0.0112), 0.02)})
    text = format_report(dataclasses.replace(report(FP32), energy=energy))
    assert ["onnxruntime-int8", "10.0-11.2", "(10.5)", "20.0"] in map(str.split, text.splitlines())
    assert "idle, the machine takes 1.50 W; told by a meter" in text.splitlines()
    text = format_report(dataclasses.replace(report(FP32), no_energy="no counter"))
    assert "energy: not measured: no counter" in text.splitlines()
