"""Two results of a benchmark compared: what is told, what breaks a limit, what is refused."""

import dataclasses
import json

import pytest

from edgecat.bench.compare import Limits, compare_reports
from edgecat.bench.comparison import format_comparison, format_markdown
from edgecat.bench.report import Report, Row
from edgecat.bench.results import load_report
from edgecat.cli.main import _run
from edgecat.errors import ConfigError
from edgecat.machine.conditions import Conditions
from edgecat.machine.noise import Noise

FP32, INT8 = "onnxruntime-fp32", "onnxruntime-int8"
RIGHT = "1" * 180 + "0" * 20
HOST = {
    "cpu": "Cortex-A76", "machine": "aarch64", "num_cpus": 4, "num_usable_cores": 4,
    "features": ["asimd", "asimddp"], "versions": {"onnxruntime": "1.32.0"},
    "governor": None, "temperature_c": None, "load_1min": 0.1,
}  # fmt: skip
SETTINGS = {
    "threads": 1, "num_rounds": 240, "batch_size": 8, "order": "interleaved", "split": "test",
    "photos_sha256": "ab" * 32,
}  # fmt: skip
COOL = Conditions("ondemand", 2400.0, 50.0, 0, 0.1)


def row(variant=FP32, p50_ms=10.0, margin=0.01, right=RIGHT):
    return Row(
        variant=variant,
        threads=1,
        precision="fp32",
        latency_ms={"p50": p50_ms, "p95": 2 * p50_ms, "p99": 3 * p50_ms},
        latency_interval_ms=(p50_ms * (1 - margin), p50_ms * (1 + margin)),
        throughput_ips=90.0,
        cold_start_ms=300.0,
        peak_rss_bytes=90_000_000,
        size_bytes=6_000_000,
        ratio_to_fp32=None,
        num_images=None if right is None else len(right),
        right=right,
    )


def report(*rows, host=None, settings=None, noise=None):
    return Report(
        host=HOST | (host or {}),
        settings=SETTINGS | (settings or {}),
        rows=rows or (row(),),
        skipped={},
        notes=(),
        before=COOL,
        after=COOL,
        noise=noise or Noise("quiet", 0.01),
    )


def compare(old, new, limits=None, **options):
    return compare_reports(report(old), report(new), limits or Limits(), **options)


@pytest.mark.parametrize(
    ("p50_ms", "margin", "speed"),
    [
        (10.0, 0.01, "same"),
        (10.1, 0.01, "same"),
        (11.0, 0.01, "slower"),
        (9.0, 0.01, "faster"),
        (11.0, 0.2, "same"),
    ],
)
def test_slower_or_faster_is_only_what_the_interval_says(p50_ms, margin, speed):
    (change,) = compare(row(margin=margin), row(p50_ms=p50_ms, margin=margin)).changes
    assert change.speed == speed
    low, high = change.latency_interval
    assert change.latency_ratio == pytest.approx(p50_ms / 10)
    assert low < change.latency_ratio < high


def test_the_interval_of_a_ratio_is_wider_than_that_of_either_run():
    (change,) = compare(row(margin=0.03), row(margin=0.04)).changes
    low, high = change.latency_interval
    # Two independent shares add up as squares: 3 % and 4 % make 5 %.
    assert (low, high) == pytest.approx((0.95, 1.05), abs=0.003)


# Photos lost and gained, and what is said of them.
@pytest.mark.parametrize(
    ("right", "drop_pp", "accuracy"),
    [
        (RIGHT, 0.0, "same"),
        ("0" + RIGHT[1:], 0.5, "worse"),
        (RIGHT[:-1] + "1", -0.5, "better"),
        ("0" + RIGHT[1:-1] + "1", 0.0, "same"),
    ],
)
def test_better_or_worse_is_counted_on_the_same_photos(right, drop_pp, accuracy):
    (change,) = compare(row(), row(right=right)).changes
    assert change.drop_pp == pytest.approx(drop_pp)
    assert change.accuracy == accuracy
    low, high = change.drop_interval_pp
    assert low <= change.drop_pp <= high


def test_without_the_same_photos_nothing_is_said_of_accuracy():
    old, new = report(row()), report(row(), settings={"photos_sha256": None})
    (change,) = compare_reports(old, new, Limits()).changes
    assert (change.accuracy, change.drop_pp) == ("not measured", None)
    with pytest.raises(ConfigError, match=r"not measured on the same photos.*--data"):
        compare_reports(old, new, Limits(max_drop_pp=1.0))


@pytest.mark.parametrize(
    ("new", "limits", "failures"),
    [
        (row(p50_ms=11), Limits(0.05), ("onnxruntime-fp32: 10.0 % slower, allowed are 5 %",)),
        (row(p50_ms=11), Limits(0.10001), ()),
        (row(p50_ms=11), Limits(), ()),
        (row(p50_ms=11, margin=0.3), Limits(0.05), ()),
        (row(p50_ms=9), Limits(0.0), ()),
        (
            row(right="00" + RIGHT[2:]),
            Limits(0.05, 0.5),
            ("onnxruntime-fp32: loses 1.00 pp, allowed are 0.5",),
        ),
        (row(right="0" + RIGHT[1:]), Limits(0.05, 0.5), ()),
    ],
)
def test_a_limit_is_broken_by_what_is_surely_slower_or_less_accurate(new, limits, failures):
    assert compare(row(), new, limits).failures == failures


def test_a_variant_that_is_gone_breaks_any_limit():
    old, new = report(row(), row(INT8)), report(row())
    assert compare_reports(old, new, Limits(0.5)).failures == ("onnxruntime-int8: is gone",)
    found = compare_reports(old, new, Limits())
    assert (found.failures, found.only_before) == ((), (INT8,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": {"cpu": "AMD EPYC"}}, "cpu Cortex-A76 and AMD EPYC"),
        ({"host": {"governor": "powersave"}}, "governor None and powersave"),
        ({"host": {"features": []}}, "features asimd asimddp and "),
        ({"settings": {"threads": 2}}, "threads 1 and 2"),
        ({"settings": {"photos_sha256": "cd" * 32}}, "photos_sha256"),
        ({"settings": {"split": "all"}}, "split test and all"),
    ],
)
def test_different_machines_or_settings_are_refused_unless_told(change, words):
    with pytest.raises(ConfigError, match=rf"{words}.*--anyway"):
        compare_reports(report(), report(**change), Limits())
    found = compare_reports(report(), report(**change), Limits(), anyway=True)
    assert words in found.differences[0]
    assert f"ANYWAY, in spite of: {words}" in format_comparison(found)


def test_variants_that_shared_the_cores_in_one_run_only_are_refused_unless_told():
    threads = {"settings": {"threads": 4}}
    few, many = report(row(), **threads), report(row(), row(INT8), **threads)
    for old, new in ((few, many), (many, few)):
        with pytest.raises(ConfigError, match=f"cannot be compared: {INT8} shared the cores"):
            compare_reports(old, new, Limits())
    assert len(compare_reports(few, many, Limits(), anyway=True).differences) == 1
    assert compare_reports(many, many, Limits()).differences == ()
    assert compare_reports(report(), report(row(), row(INT8)), Limits()).differences == ()


def test_without_a_common_variant_there_is_nothing_to_compare():
    with pytest.raises(ConfigError, match="no variant is in both"):
        compare(row(FP32), row(INT8))


def test_other_libraries_are_what_is_compared_and_named():
    new = report(host={"versions": {"onnxruntime": "1.33.0"}})
    found = compare_reports(report(), new, Limits())
    assert found.versions == ("onnxruntime 1.32.0 and 1.33.0",)


def test_a_result_that_is_too_noisy_is_refused_unless_told():
    noisy = report(noise=Noise("too noisy", 0.4))
    with pytest.raises(ConfigError, match=r"the later result is too noisy.*--anyway"):
        compare_reports(report(), noisy, Limits())
    assert len(compare_reports(report(), noisy, Limits(), anyway=True).differences) == 1


def test_the_ratio_to_fp32_stands_beside_it_where_both_runs_have_it():
    old, new = (dataclasses.replace(row(INT8), ratio_to_fp32=ratio) for ratio in (0.8, 0.75))
    assert "0.80x -> 0.75x" in format_comparison(compare(old, new))
    assert compare(old, row(INT8)).changes[0].ratio_to_fp32 is None


def test_both_texts_have_a_line_a_variant_and_every_remark():
    old, new = report(row(), row(INT8)), report(row(p50_ms=20), row(INT8, p50_ms=5))
    found = compare_reports(old, new, Limits(0.05))
    for text in (format_comparison(found), format_markdown(found)):
        lines = text.splitlines()
        assert sum(FP32 in line and "20.00" in line for line in lines) == 1
        assert any(INT8 in line and "faster" in line for line in lines)
        assert any("WORSE than allowed: onnxruntime-fp32: 100.0 % slower" in line for line in lines)
    head, rule, *_ = format_markdown(found).splitlines()
    assert head.count("|") == rule.count("|") == 9


@pytest.fixture
def written(tmp_path):
    """A function that writes a report as `edgecat benchmark --json` does."""

    def write(name, *rows, **changes):
        path = tmp_path / name
        path.write_text(json.dumps(report(*rows, **changes).to_dict()))
        return path

    return write


def test_a_result_is_read_back_as_it_was(written):
    assert load_report(written("a.json")) == report(host=HOST)


STAGES = {
    "num_photos": 1, "decode_ms": {"p50": 1.0, "p90": 1.0}, "preprocess_ms": {}, "variants": {},
}  # fmt: skip

BAD = {
    "missing": (lambda path: path.unlink(), "cannot be read"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "a folder"),
    "a bundle": (lambda path: make_folder(path, "bundle.json"), "a bundle, not yet measured"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:500]), "not JSON"),
    "empty": (lambda path: path.write_text(""), "empty"),
    "text": (lambda path: path.write_text("p50 ms"), "not JSON"),
    "a photo": (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0"), r"a photo \(JPEG\)"),
    "a document": (lambda path: path.write_bytes(b"%PDF-1.7"), "a.json: PDF"),
    "a packed bundle": (lambda path: path.write_bytes(b"PK\3\4"), "a zip file"),
    "a list": (lambda path: path.write_text("[]"), "JSON, but no result of edgecat benchmark"),
    "a sustained run": (
        lambda path: path.write_text('{"spans": [], "slowdowns": {}, "schema_version": 1}'),
        "a sustained run, which .*--minutes",
    ),
    "a tuning": (
        lambda path: path.write_text('{"timings": [], "setting": {}, "schema_version": 1}'),
        "what 'edgecat tune' measured",
    ),
    "a manifest": (
        lambda path: path.write_text('{"labels": [], "variants": [], "files": {}}'),
        "the manifest of a bundle",
    ),
    "older": (lambda path: path.write_text('{"rows": []}'), "of schema_version none"),
    "newer": (lambda path: edit(path, lambda v: v.update(schema_version=2)), "schema_version 2"),
    "no rows": (lambda path: edit(path, lambda v: v.pop("rows")), "no result of edgecat benchmark"),
    "no host": (lambda path: edit(path, lambda v: v.pop("host")), "'host' is missing"),
    "no variant": (lambda path: edit(path, lambda v: v.update(rows=[])), "rows: there is none"),
    "no processor": (lambda path: edit(path, lambda v: v["host"].pop("cpu")), "host: .*'cpu'"),
    "a number of cores as text": (
        lambda path: edit(path, lambda v: v["host"].update(num_cpus="4")),
        r"host: num_cpus: expected int, got str '4'",
    ),
    "no number of photos": (
        lambda path: edit(path, lambda v: v["settings"].pop("num_rounds")),
        "settings: .*'num_rounds'",
    ),
    "no time of a stage": (
        lambda path: edit(path, lambda v: v.update(stages=STAGES)),
        "decode_ms p99 0.0",
    ),
    "a size that no disk has": (
        lambda path: edit(path, lambda v: v["rows"][0].update(size_bytes=10**400)),
        "size_bytes is above",
    ),
    "no time": (lambda path: edit(path, lambda v: v["rows"][0].update(latency_ms={})), "p50 0.0"),
    "a wrong interval": (
        lambda path: edit(path, lambda v: v["rows"][0].update(latency_interval_ms=[2, 1])),
        "two ends",
    ),
    "a terminal's commands": (
        lambda path: edit(path, lambda v: v["rows"][0].update(variant="a\x1b[2Jb")),
        "control characters",
    ),
    "no Unicode": (lambda path: edit(path, lambda v: v.update(notes=["\ud800"])), "no Unicode"),
    "other answers": (lambda path: edit(path, lambda v: v["rows"][0].update(right="1")), "right:"),
}


def make_folder(path, file):
    path.unlink()
    path.mkdir()
    (path / file).write_text("{}")


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(("damage", "words"), BAD.values(), ids=BAD)
def test_what_is_no_result_of_this_version_is_refused(written, damage, words):
    path = written("a.json")
    damage(path)
    wanted = f"{words}.*; accepted is what 'edgecat benchmark BUNDLE --json FILE' writes"
    with pytest.raises(ConfigError, match=wanted):
        load_report(path)


@pytest.mark.parametrize(
    ("p50_ms", "arguments", "code", "words"),
    [
        (10, [], 0, "same"),
        (20, [], 0, "slower"),
        (20, ["--max-regress", "5%"], 22, "WORSE than allowed"),
        (20, ["--max-regress", "101"], 0, "slower"),
        (20, ["--markdown", "--max-regress", "5"], 22, "| variant |"),
        (20, ["--json"], 0, '"speed": "slower"'),
        (10, ["--json", "--markdown"], 2, ""),
        (10, ["--max-regress", "many"], 2, ""),
        (10, ["--max-regress", "-5%"], 2, ""),
        (10, ["--max-regress", "nan"], 2, ""),
    ],
)
def test_the_command_fails_where_a_limit_is_broken(written, capsys, p50_ms, arguments, code, words):
    old, new = written("a.json"), written("b.json", row(p50_ms=p50_ms))
    assert _run(["compare", str(old), str(new), *arguments]) == code
    assert words in capsys.readouterr().out


def test_what_turns_the_letters_of_a_terminal_is_escaped(written, capsys):
    path = written("a.json", row("int8\u202e"))
    for form in ([], ["--markdown"]):
        assert _run(["compare", str(path), str(path), *form]) == 0
        assert "\u202e" not in capsys.readouterr().out


def test_a_result_compared_with_itself_has_not_changed(written, capsys):
    path = written("a.json", *(dataclasses.replace(row(), variant=name) for name in (FP32, INT8)))
    limits = ["--max-regress", "0%", "--max-drop", "0"]
    assert _run(["compare", str(path), str(path), *limits]) == 0
    assert capsys.readouterr().out.count("same") == 4


def test_answers_to_other_numbers_of_photos_are_not_compared():
    before, after = report(row()), report(row(right="10"))  # forged: the hash is the same
    assert compare_reports(before, after, Limits()).changes[0].accuracy == "not measured"
