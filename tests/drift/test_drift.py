"""`edgecat drift`: what the files of watch, stream and predict say, and what is no such file."""

import datetime
import json

import numpy as np
import pytest
from click.testing import CliRunner

from edgecat.bundle.manifest import OodSpec, Variant
from edgecat.bundle.reference import REFERENCE_FILE, Answered, Reference
from edgecat.cli import main as cli_main
from edgecat.errors import BundleError, ConfigError, DriftError
from edgecat.scores.ood import OOD_FILE

VARIANT = "onnxruntime-fp32"
NOW = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)


@pytest.fixture
def bundle(make_bundle):
    scores = tuple(np.sort(np.random.default_rng(0).normal(0, 1, 285)).tolist())
    answers = {"red": 100, "green": 90, "blue": 80, "unknown": 15}
    reference = Reference({VARIANT: Answered(scores, answers)})
    return make_bundle(
        files={REFERENCE_FILE: reference.to_json().encode(), OOD_FILE: b""},
        ood=OodSpec(OOD_FILE, 1.0),
        variants=(Variant(VARIANT, ("model.onnx",), ood_threshold=2.0),),
    )


def make_lines(num, shift=0.0, seed=1, days=6.0, **changes):
    rng = np.random.default_rng(seed)
    answers = rng.permutation(np.repeat(["red", "green", "blue"], num))[:num]
    return [
        {
            "photo": f"{i}.jpg",
            "time": (NOW - datetime.timedelta(days=days * (1 - i / num))).isoformat(),
            "bundle": "bundle",
            "variant": VARIANT,
            "answer": str(answer),
            "ood_score": float(rng.normal(shift, 1)),
        }
        | changes
        for i, answer in enumerate(answers)
    ]


@pytest.fixture
def write(tmp_path):
    """A function that writes lines into a results file."""

    def write_lines(lines, name="results.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write_lines


@pytest.fixture
def drift(bundle):
    """A function that runs `edgecat drift`; an error that it ends with is raised."""

    def run(*arguments):
        arguments = ["drift", *map(str, arguments), "--bundle", str(bundle)]
        done = CliRunner().invoke(cli_main.cli, arguments)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_a_week_like_the_training_passes(drift, write):
    told = json.loads(drift(write(make_lines(300)), "--json"))
    assert (told["num_photos"], told["num_reference"], told["is_stranger"]) == (300, 285, False)
    assert told["scores_p"] > 0.01
    assert told["since"] < told["until"] <= NOW.isoformat()
    assert told["num_to_notice"] is not None
    assert set(told["share_ratios"]) == {"red", "green", "blue", "unknown"}


def test_a_week_of_other_photos_ends_with_an_error(drift, write):
    with pytest.raises(DriftError, match="more photos lie far from the known classes"):
        drift(write(make_lines(300, shift=1)))


def test_a_week_of_easier_photos_is_told_and_no_error(drift, write):
    printed = drift(write(make_lines(300, shift=-2)))
    assert "OOD scores: differ" in printed
    assert " 0 % lie far from the known classes, of the training 5 %" in printed


def test_other_shares_of_classes_are_told_and_no_error(drift, write):
    printed = drift(write(make_lines(300, answer="red")))
    assert "classes: differ (p 0.0005); now (at the training): red 100 % (35 %)" in printed


def test_few_photos_are_said_to_be_too_few(drift, write):
    assert "these are too few" in drift(write(make_lines(5)))


def test_only_the_last_days_count(drift, write):
    told = json.loads(drift(write(make_lines(300, days=30)), "--json", "--days", 9.95))
    assert told["num_photos"] == 100
    assert told["left_out"] == {"older than 9.95 days": 200}


def test_a_clock_that_was_never_set_is_no_fault(drift, write):
    told = json.loads(drift(write(make_lines(30, time="0001-01-01T00:00:00+14:00")), "--json"))
    assert told["num_photos"] == 30


def test_what_does_not_count_is_told_with_its_reason(drift, write):
    lines = make_lines(50)
    lines[3] = {"photo": "x", "error": "broken"}
    lines[4]["bundle"] = "other"
    lines[5]["num_frames"] = 5
    del lines[6]["ood_score"]
    lines[7] = {"hello": 1}
    told = json.loads(drift(write(lines), "--json"))
    assert told["num_photos"] == 45
    assert sorted(told["left_out"].values()) == [1] * 5


def test_another_variant_than_the_last_one_does_not_count(drift, write):
    lines = [*make_lines(20, variant="openvino-int8"), *make_lines(30)]
    told = json.loads(drift(write(lines), "--json"))
    assert told["num_photos"] == 30
    assert told["left_out"] == {"by openvino-int8": 20}


def test_rotated_files_are_read_in_order(drift, write):
    old, new = write(make_lines(40), "r.1"), write(make_lines(60, seed=2), "r")
    assert json.loads(drift(old, new, "--json"))["num_photos"] == 100


def test_a_line_that_is_being_written_is_passed_over(drift, write):
    path = write(make_lines(30))
    path.write_bytes(path.read_bytes()[:-10])
    told = json.loads(drift(path, "--json"))
    assert (told["num_photos"], told["left_out"]) == (29, {"cut off": 1})


def test_what_predict_printed_is_read(drift, tmp_path):
    names = {"bundle": "bundle", "variant": VARIANT}
    answers = [{"answer": "red", "ood_score": 0.1}, {"answer": "blue", "ood_score": 0.3}]
    text = json.dumps(names | {"predictions": answers, "errors": []}, indent=1)
    (tmp_path / "answers.json").write_text(text + "\n")
    told = json.loads(drift(tmp_path / "answers.json", "--json"))
    assert (told["num_photos"], told["since"]) == (2, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no answer of bundle to compare \\(no line at all\\)"),
        (b"\x89PNG\r\n\x1a\n", r"line 1: not JSON \(.*\); give what edgecat watch, "),
        (b"[1]\n", "no result; give what edgecat watch, "),
        (b'{"answer": "red"}\n', "1 by another bundle"),
        (b"{\n" + b"[" * 100_000, "not JSON"),
        (b'{"answer": 1, "ood_score": NaN}\n', "not JSON"),
        (b'{"bundle": "bundle", "answer": 1, "ood_score": 1}\n', "no result"),
        (b'{"bundle": "bundle", "answer": "a", "ood_score": true}\n', "no result"),
        (b'{"bundle": "bundle", "answer": "a", "ood_score": 1, "time": 5}\n', "is none"),
        (b'{"bundle": "bundle", "answer": "a", "ood_score": 1, "time": "0001-01-01"}\n', "is none"),
        (b'{"bundle": "bundle", "answer": "a", "ood_score": 1' + b"0" * 400 + b"}\n", "no result"),
        (b"x" * 2**21, "line 1: not JSON"),
    ],
)
def test_what_is_no_results_file_is_refused(drift, tmp_path, content, message):
    (tmp_path / "r").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        drift(tmp_path / "r")


def test_a_file_that_is_not_there_is_refused(drift, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        drift(tmp_path / "nowhere")


def test_a_bundle_of_an_older_edgecat_is_refused_with_the_way_out(make_bundle, write):
    arguments = ["drift", str(write(make_lines(5))), "--bundle", str(make_bundle(name="older"))]
    done = CliRunner().invoke(cli_main.cli, arguments)
    assert isinstance(done.exception, BundleError)
    assert "edgecat export RUN --out BUNDLE" in str(done.exception)


@pytest.mark.parametrize(
    "text",
    [
        '{"variants": {"a": {"ood_scores": [], "num_answers": {}}}}',
        '{"variants": {"a": {"ood_scores": [1.0], "num_answers": {"red": 2}}}}',
        '{"variants": {"a": {"ood_scores": [1e9], "num_answers": {"red": 1}}}}',
        '{"variants": {"a": {"ood_scores": [1.0, 2.0], "num_answers": {"red": 3, "x": -1}}}}',
        '{"variants": {"b": {"ood_scores": [1.0], "num_answers": {"red": 1}}}}',
    ],
)
def test_a_reference_that_no_export_writes_is_refused(make_bundle, write, text):
    path = make_bundle(files={REFERENCE_FILE: text.encode()})
    arguments = ["drift", str(write(make_lines(5))), "--bundle", str(path)]
    assert isinstance(CliRunner().invoke(cli_main.cli, arguments).exception, BundleError)
