import dataclasses
import json

import pytest

from edgecat.bundle.manifest import (
    FileRecord,
    ModelSpec,
    OodSpec,
    Variant,
)
from edgecat.bundle.release import Release
from edgecat.bundle.score import Flips, Score
from edgecat.bundle.verdict import Verdict
from edgecat.errors import BundleError
from edgecat.photos.input import IMAGENET
from edgecat.scores.class_score import ClassScore

DATE = "2026-11-28T05:25:00Z"
SCORE = Score(
    split="test",
    num_images=10,
    top1_ratio=0.9,
    top1_interval_ratio=(0.6, 0.98),
    agreement_ratio=1.0,
    drop_pp=-1.5,
    drop_interval_pp=(-3.0, 0.0),
    mcnemar_p=0.5,
    reference_calibration_error_ratio=0.03,
    calibration_error_ratio=0.04,
    flips={"Maine Coon": Flips(1, 2)},
    macro_f1_ratio=0.85,
    per_class={"Maine Coon": ClassScore(10, 0.9, 0.8)},
)
VERDICT = Verdict(("x86-vnni", "arm"), {"x86-avx2": "saturates"}, "x86-vnni", 0.8)
SPEC = ModelSpec(
    name="cats",
    arch="mobilenet_v3_small",
    labels=("Maine Coon", 'a, "b"', "고양이", "x"),
    variants=(
        Variant("onnxruntime-fp32", ("a.onnx",), SCORE, VERDICT, ood_threshold=-3.5),
        Variant("openvino-int8", ("a.xml", "a.bin")),
    ),
    files={name: FileRecord("0" * 64, 3) for name in ("a.onnx", "a.xml", "a.bin")},
    temperature=1.25,
    ood=OodSpec("a.bin", 0.7),
    provenance={"seed": 0, "deep": {"list": [1, None, "é"]}},
    release=Release(20261128052500, DATE),
)


def changed(**changes):
    return json.dumps(json.loads(SPEC.to_json()) | changes)


def variant(name="onnxruntime-fp32", files=("a.onnx",)):
    return [{"name": name, "files": list(files)}]


@pytest.mark.parametrize(
    "changes",
    [
        {"macro_f1_ratio": 1.01},
        {"macro_f1_ratio": float("nan")},
    ],
)
def test_a_share_that_is_none_is_refused(changes):
    with pytest.raises(ValueError, match="is not from 0 to 1"):
        dataclasses.replace(SCORE, **changes)


@pytest.mark.parametrize(
    "numbers", [(1, -0.1, 0), (1, 0, float("nan")), (-1, 0, 0), (10**400, 1, 1)]
)
def test_a_class_is_scored_by_shares_of_a_number_of_photos(numbers):
    with pytest.raises(ValueError, match=r"is not from 0 to 1|is below 0|is above"):
        ClassScore(*numbers)


def test_a_manifest_from_before_macro_f1_is_read():
    values = json.loads(SPEC.to_json())
    del (
        values["variants"][0]["score"]["macro_f1_ratio"],
        values["variants"][0]["score"]["per_class"],
    )
    score = ModelSpec.from_json(json.dumps(values), "w").variants[0].score
    assert (score.macro_f1_ratio, score.per_class) == (None, {})


def test_a_manifest_survives_its_own_text():
    text = SPEC.to_json()
    assert ModelSpec.from_json(text, "w") == SPEC
    assert ModelSpec.from_json(text, "w").to_json() == text


def test_labels_may_be_in_any_script():
    labels = ["می\u200cروم", "Маша", "ねこ", "👩\u200d🚀", "Kätzchen", "a/b"]
    assert ModelSpec.from_json(changed(labels=labels), "w").labels == tuple(labels)


def test_a_manifest_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPEC.temperature = 2.0


def test_the_text_is_readable_and_its_labels_are_a_list():
    values = json.loads(SPEC.to_json())
    assert values["labels"] == ["Maine Coon", 'a, "b"', "고양이", "x"]
    assert "고양이" in SPEC.to_json()


@pytest.mark.parametrize("name", ["onnxruntime-fp32", "openvino-bf16", "ncnn-int8"])
def test_a_variants_name_is_its_engine_and_precision(name):
    made = Variant(name, ("f",))
    assert f"{made.engine}-{made.precision}" == name


def test_a_variant_is_found_by_name_and_an_unknown_one_lists_those_there():
    assert SPEC.variant("openvino-int8").files == ("a.xml", "a.bin")
    with pytest.raises(BundleError, match=r"no variant 'tflite'.*onnxruntime-fp32, openvino-int8"):
        SPEC.variant("tflite")


def with_input(**values):
    return changed(input=dataclasses.asdict(IMAGENET) | values)


RECORD = {"sha256": "0" * 64, "size_bytes": 3}
BAD = {
    "path into a folder": (changed(files={"d/a.onnx": RECORD}), "no plain name"),
    "path out of the folder": (changed(files={"../a.onnx": RECORD}), "no plain name"),
    "two dots": (changed(files={"..": RECORD}), "no plain name"),
    "a dot": (changed(files={".": RECORD}), "no plain name"),
    "no name": (changed(files={"": RECORD}), "no plain name"),
    "absolute path": (changed(files={"/etc/passwd": RECORD}), "no plain name"),
    "Windows path": (changed(files={"..\\a.onnx": RECORD}), "no plain name"),
    "slash at the end": (changed(files={"a.onnx/": RECORD}), "no plain name"),
    "file of a variant not listed": (changed(variants=variant(files=["b.onnx"])), "not in 'files'"),
    "variant's path outside": (changed(variants=variant(files=["../b"])), "not in 'files'"),
    "variant without files": (changed(variants=variant(files=[])), "names no file"),
    "variant without a precision": (changed(variants=variant("tflite")), "<engine>-<precision>"),
    "variant of a path": (changed(variants=variant("../x-fp32")), "<engine>-<precision>"),
    "variant twice": (changed(variants=variant() * 2), "each once"),
    "no variants": (changed(variants=[]), "at least one"),
    "labels twice": (changed(labels=["a", "a"]), "each once"),
    "one label": (changed(labels=["a"]), "at least two"),
    "labels as a text": (changed(labels="a b"), "labels: expected a list"),
    "a number as label": (changed(labels=["a", 1]), r"labels\[1\]: expected str"),
    "later version": (changed(schema_version=3), "schema_version 3"),
    "version as text": (changed(schema_version="1"), "schema_version: expected int"),
    "no side": (with_input(side_px=0), "side_px 0"),
    "a huge side": (with_input(side_px=100_000, shorter_side_px=100_000), "side_px 100000"),
    "a crop larger than the photo": (with_input(shorter_side_px=200), "shorter_side_px 200"),
    "a huge photo": (with_input(shorter_side_px=100_000), "shorter_side_px 100000"),
    "two means": (with_input(mean_ratio=[0.5, 0.5]), "mean_ratio"),
    "a mean of 0-255": (with_input(mean_ratio=[123.0, 117.0, 104.0]), "mean_ratio"),
    "a std of 0": (with_input(std_ratio=[0.0, 0.2, 0.2]), "std_ratio"),
    "another interpolation": (with_input(interpolation="magic"), "interpolation 'magic'"),
    "another crop": (with_input(crop="corner"), "crop 'corner'"),
    "another layout": (with_input(layout="NCHW"), "layout 'NCHW'"),
    "other mean": (changed(input={"mean_ratio": [0.5, 0.5, 0.5]}), "'side_px' is missing"),
    "NaN temperature": (changed(temperature=float("nan")), "NaN is no number"),
    "infinite temperature": (changed(temperature=float("inf")), "Infinity is no number"),
    "temperature 0": (changed(temperature=0), "temperature"),
    "negative temperature": (changed(temperature=-1.0), "temperature"),
    "temperature as text": (changed(temperature="1"), "temperature: expected float"),
    "a threshold of nothing": (changed(ood=None), "ood_threshold, but no 'ood'"),
    "a detector without its file": (
        changed(ood={"file": "b.npy", "residual_weight": 1.0}),
        "ood: file 'b.npy'",
    ),
    "a detector that weighs nothing": (
        changed(ood={"file": "a.bin", "residual_weight": 0.0}),
        "residual_weight 0",
    ),
    "unknown key": (changed(lables=["a", "b"]), "did you mean 'labels'"),
    "missing key": ("{}", "'name' is missing"),
    "size as text": (changed(files={"a": {"sha256": "0" * 64, "size_bytes": "3"}}), "size_bytes"),
    "not JSON": ("labels: [a, b]", "not JSON"),
    "half of it": (SPEC.to_json()[:200], r"not JSON \(.*\); copy the bundle again or export it"),
    "empty": ("", "not JSON"),
    "a list": ("[]", "expected named values"),
    "null": ("null", "expected named values"),
    "two cases of a file": (changed(files={"a.onnx": RECORD, "A.onnx": RECORD}), "upper and lower"),
    "the manifest as a file": (changed(files={"Bundle.json": RECORD}), "upper and lower case"),
    "the signature as a file": (changed(files={"bundle.sig": RECORD}), "upper and lower case"),
    "network of a path": (changed(arch="../resnet18"), "arch '../resnet18' is no name"),
    "an edit of a path": (changed(arch="resnet18+../x"), r"arch 'resnet18\+../x' is no name"),
    "an edit without a name": (changed(arch="resnet18+"), r"arch 'resnet18\+' is no name"),
    "a terminal's command in a label": (changed(labels=["a", "\x1b[2J"]), "control characters"),
    "a newline in the name": (changed(name="a\nb"), "control characters"),
    "half a character in a label": (changed(labels=["a", "\ud800"]), "no Unicode"),
    "half a character deep down": (changed(provenance={"a": [{"\ud800": 1}]}), "no Unicode"),
    "no number deep down": (changed(provenance={"a": [float("inf")]}), "no number"),
    "a number beyond floats": (changed(provenance={"a": 7}).replace("7}", "1e999}"), "no number"),
    "labels given twice": (
        SPEC.to_json().replace('"labels"', '"labels": ["x", "y"], "labels"'),
        "the key 'labels' is there twice",
    ),
    "a file given twice": (
        SPEC.to_json().replace('"a.onnx": {', '"a.onnx": {}, "a.onnx": {', 1),
        "the key 'a.onnx' is there twice",
    ),
    "a label of nothing": (changed(labels=["a", ""]), "not be blank"),
    "a label of blanks": (changed(labels=["a", " \u3000"]), "not be blank"),
    "a release of nothing": (changed(release={"number": 0, "date": DATE}), "number 0"),
    "a release beyond numbers": (changed(release={"number": 2**53, "date": DATE}), "number 9"),
    "a release without a date": (changed(release={"number": 1, "date": "today"}), "release: "),
    "a release of another form": (
        changed(release={"number": 1, "date": "2026-11-28T05:25:00+00:00"}),
        "is not of the form",
    ),
    "a minor version below 0": (changed(schema_minor=-1), "schema_minor -1 is below 0"),
    "a number too large": (changed(temperature=10**400), "temperature: a number too large"),
    "an interval with one end": (
        changed(
            variants=[
                dataclasses.asdict(SPEC.variants[0])
                | {"score": dataclasses.asdict(SCORE) | {"drop_interval_pp": [0.0]}}
            ]
        ),
        "drop_interval_pp: expected 2 values",
    ),
    "nested deep in the provenance": (
        changed(provenance={"a": "@"}).replace('"@"', "[" * 900 + "]" * 900),
        "nested deeper than 30 levels",
    ),
    "nested too deep to parse": ("[" * 100_000, "not JSON"),
    "nested deep at the top": ("[" * 900 + "]" * 900, "expected named values"),
    "nested deep in a label": (
        changed(labels=["a", "@"]).replace('"@"', "[" * 900 + "]" * 900),
        "",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_manifest_is_refused_and_told_where(text, message):
    with pytest.raises(BundleError, match=r"^here: ") as caught:
        ModelSpec.from_json(text, "here")
    assert message in str(caught.value) or caught.match(message)


TWISTED = {
    "temperature": [1e-320, 0.0499, 20.1, 1e308],
    "ood.residual_weight": [-0.7, 1e-13, 1e7],
    "files.a.onnx.size_bytes": [-1],
    "files.a.onnx.sha256": ["", "0" * 63, "A" * 64, "g" * 64],
    "variants.0.ood_threshold": [1e300, -1e7],
    "variants.0.verdict.latency_ratio": [0.0, -1.0, 1e-320, 1e4],
    "variants.0.score.num_images": [-1],
    "variants.0.score.top1_ratio": [-0.1, 1.1],
    "variants.0.score.top1_interval_ratio": [[0.9, 0.1], [-0.1, 1.0], [0.5], [0.1, 0.2, 0.3]],
    "variants.0.score.agreement_ratio": [1.5],
    "variants.0.score.drop_pp": [101.0],
    "variants.0.score.drop_interval_pp": [[0.0, -3.0], [-300.0, 0.0]],
    "variants.0.score.mcnemar_p": [2.0],
    "variants.0.score.reference_calibration_error_ratio": [-1.0],
    "variants.0.score.calibration_error_ratio": [1e6],
    "variants.0.score.flips.Maine Coon.num_lost": [-1],
    "variants.0.score.flips.Maine Coon.num_gained": [-5],
}


@pytest.mark.parametrize(
    ("place", "value"), [(place, value) for place, values in TWISTED.items() for value in values]
)
def test_a_number_that_no_export_writes_is_refused_by_its_name(place, value):
    values = json.loads(SPEC.to_json())
    holder, rest = values, place
    while rest not in holder:
        key = next(k for k in keys_of(holder) if rest.startswith(f"{k}."))
        holder, rest = holder[key], rest.removeprefix(f"{key}.")
        if isinstance(holder, list):
            holder, rest = holder[0], rest.removeprefix("0.")
    holder[rest] = value
    with pytest.raises(BundleError, match=rest):
        ModelSpec.from_json(json.dumps(values), "here")


def keys_of(holder):
    return sorted(holder, key=len, reverse=True)


def newer(minor, **keys):
    values = json.loads(changed(schema_minor=minor, **keys))
    values["variants"][0] |= keys
    return json.dumps(values)


def test_a_newer_minor_version_opens_and_its_new_keys_are_passed_over():
    spec = ModelSpec.from_json(newer(7, colour_space="P3"), "here")
    assert spec == dataclasses.replace(SPEC, schema_minor=7)


def test_a_newer_minor_version_is_read_as_strictly_in_all_that_is_known():
    with pytest.raises(BundleError, match="temperature"):
        ModelSpec.from_json(newer(7, temperature=0.0), "here")


@pytest.mark.parametrize("minor", [0, True])
def test_an_unknown_key_of_this_minor_version_is_refused(minor):
    with pytest.raises(BundleError):
        ModelSpec.from_json(newer(minor, colour_space="P3"), "here")


def test_labels_that_differ_only_in_case_or_form_still_open():
    labels = ["Cat", "cat", "é", "e\u0301"]
    assert ModelSpec.from_json(changed(labels=labels), "here").labels == tuple(labels)


def test_a_variant_in_the_spec_is_checked_when_made_in_python_too():
    with pytest.raises(ValueError, match="<engine>-<precision>"):
        Variant("onnxruntime", ("a",))


TARGETS = ("x86-vnni", "x86-avx2", "arm")


def with_verdicts(**verdicts):
    """A manifest with a variant for each name (an underscore for the dash)."""
    variants = tuple(
        Variant(name.replace("_", "-"), ("a.onnx",), verdict=verdict)
        for name, verdict in verdicts.items()
    )
    return dataclasses.replace(SPEC, variants=variants)


def ships(ratio, *targets, measured_on="x86-vnni"):
    targets = targets or TARGETS
    reasons = {target: "not" for target in TARGETS if target not in targets}
    return Verdict(targets, reasons, measured_on, ratio)


def test_the_fastest_variant_that_ships_here_is_preferred():
    spec = with_verdicts(
        onnxruntime_fp32=ships(1.0),
        onnxruntime_int8=ships(0.8, "x86-vnni", "arm"),
        openvino_int8=ships(0.7, "x86-avx2"),
        openvino_bf16=ships(0.6, "x86-vnni"),
    )
    assert spec.preferred_variants("x86-vnni") == (
        "openvino-bf16",
        "onnxruntime-int8",
        "onnxruntime-fp32",
    )


def test_where_no_clock_ran_the_rule_of_instructions_decides():
    def counted(name, ratio, verdict=None):
        return Variant(name, ("a.onnx",), verdict=verdict, instruction_ratios={"arm": ratio})

    variants = (
        counted("onnxruntime-fp32", 1.0, ships(1.0)),
        counted("ncnn-fp32", 0.45, ships(1.1)),
        Variant("openvino-fp32", ("a.onnx",), verdict=ships(0.9)),
        counted("onnxruntime-int8", 0.52, ships(0.8)),
        counted("ncnn-fp16", 0.16),
    )
    spec = dataclasses.replace(SPEC, variants=variants)
    assert spec.preferred_variants("arm") == (
        "ncnn-fp16", "ncnn-fp32", "onnxruntime-int8", "onnxruntime-fp32", "openvino-fp32",
    )  # fmt: skip
    # Where it was measured the clock decides, and what could not run there is not worth running.
    assert spec.preferred_variants("x86-vnni") == (
        "onnxruntime-int8", "openvino-fp32", "onnxruntime-fp32", "ncnn-fp32",
    )  # fmt: skip


@pytest.mark.parametrize("ratios", [{"../x": 0.5}, {"arm": 0.0}, {"arm": 1e9}, {"arm": -1.0}])
def test_a_rule_speaks_of_targets_and_of_what_can_be_counted(ratios):
    with pytest.raises(ValueError, match=r"."):
        Variant("ncnn-fp16", ("a",), instruction_ratios=ratios)


def test_where_nothing_was_measured_int8_for_onnxruntime_is_preferred():
    spec = with_verdicts(
        onnxruntime_fp32=ships(1.0),
        openvino_fp32=ships(0.5),
        openvino_int8=ships(0.6, "x86-vnni", "x86-avx2"),
        onnxruntime_int8=ships(0.9),
    )
    assert spec.preferred_variants("arm") == (
        "onnxruntime-int8",
        "onnxruntime-fp32",
        "openvino-fp32",
    )


def test_without_verdicts_the_order_of_the_manifest_holds():
    spec = with_verdicts(onnxruntime_fp32=None, onnxruntime_int8=None)
    assert spec.preferred_variants("arm") == ("onnxruntime-fp32", "onnxruntime-int8")


def test_nothing_may_be_worth_running():
    spec = with_verdicts(onnxruntime_int8=ships(0.8, "arm"))
    assert spec.preferred_variants("x86-avx2") == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((("arm",), {"arm": "slow"}, "arm", 1.0), "once"),
        ((("arm", "arm"), {}, "arm", 1.0), "once"),
        ((("arm",), {"../x": "slow"}, "arm", 1.0), "no name"),
        ((("arm",), {}, "riscv", 1.0), "measured_on"),
    ],
    ids=["ships and does not", "twice", "no name", "measured elsewhere"],
)
def test_a_verdict_speaks_of_each_target_once(values, words):
    with pytest.raises(ValueError, match=words):
        Verdict(*values)


def test_what_a_newer_edgecat_may_know_is_no_damage():
    verdict = {"ships_to": ["riscv"], "reasons": {}, "measured_on": "riscv", "latency_ratio": 1.0}
    variants = [{"name": "zrt-fp8", "files": ["a.onnx"], "verdict": verdict}]
    spec = ModelSpec.from_json(changed(arch="efficientnet_b0", variants=variants), "w")
    assert (spec.arch, spec.targets, spec.reference) == ("efficientnet_b0", ("riscv",), "zrt-fp8")


def test_a_lean_network_is_named_by_its_edits():
    arch = "mobilenet_v3_small+no-se:4,5+narrow:3=48+side:160"
    assert ModelSpec.from_json(changed(arch=arch), "w").arch == arch
