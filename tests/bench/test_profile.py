"""Where the time of a photo goes: every operator, once, and the sums of a kind."""

import json
import tempfile

import numpy as np
import pytest
from click.testing import CliRunner

from edgecat.bench.profile import Share, VariantProfile, format_profiles, profile_variants
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.cli.main import cli
from edgecat.errors import BundleError, ConfigError, EngineError, StorageError
from edgecat.runtime.checked import CheckedEngine
from edgecat.runtime.device import Resources

FP32, INT8 = "onnxruntime-fp32", "onnxruntime-int8"
ONE = Resources(1)


@pytest.fixture(scope="module")
def cats():
    return load_bundle("cats12")


@pytest.fixture(scope="module")
def profiles(cats):
    return profile_variants(cats, [FP32, INT8], ONE, num_runs=3)


def test_shares_add_up_to_the_whole_in_operators_and_in_kinds(profiles):
    for profile in profiles:
        assert sum(share.ratio for share in profile.operators) == pytest.approx(1)
        assert sum(share.ratio for share in profile.kinds) == pytest.approx(1)
        assert sum(share.time_us for share in profile.kinds) == pytest.approx(
            1e3 * profile.operators_ms
        )
        assert sum(share.num_operators for share in profile.kinds) == profile.num_operators
        times = [share.time_us for share in profile.operators]
        assert times == sorted(times, reverse=True)
        assert len({share.name for share in profile.operators}) == profile.num_operators


def test_what_an_engine_computes_is_told_by_kind(profiles):
    floats, int8 = ({share.kind for share in profile.kinds} for profile in profiles)
    assert "QLinearConv" in int8 - floats
    assert {"Conv", "FusedConv"} & floats


def test_the_table_has_both_side_by_side_and_says_what_it_leaves_out(profiles):
    text = format_profiles(profiles, top=3)
    head, _, first, *_ = text.splitlines()
    assert head.split() == ["kind", "n", FP32, "us", "share", "n", INT8, "us", "share"]
    assert first.endswith("%") or "%" in first
    assert {"Conv", "QLinearConv"} <= {line.split()[0] for line in text.splitlines()[2:5]}
    assert " more kinds" in text.splitlines()[5]
    left = [profile.num_operators - 3 for profile in profiles]
    for number in left:
        assert f"{number} more: " in text
    assert "a photo takes" in text


def test_one_that_both_have_stands_in_one_line():
    share = Share("a", "Conv", "f32", 1, 10.0, 1.0)
    one, other = (
        VariantProfile(name, "CPU", "fp32", 1.0, 0.01, 1, (share,), (share,)) for name in "ab"
    )
    lines = format_profiles([one, other], top=1).splitlines()
    assert lines[2].split() == ["Conv", "f32", "1", "10.0", "100.0", "%", "1", "10.0", "100.0", "%"]


@pytest.mark.parametrize("variants", [[], [FP32, FP32], [FP32, INT8, FP32], ["a", "b", "c"]])
def test_one_or_two_different_variants_are_accepted(cats, variants):
    with pytest.raises(ConfigError, match="one, or two different ones"):
        profile_variants(cats, variants, ONE)


def test_an_unknown_variant_is_refused_with_those_there(cats):
    with pytest.raises(BundleError, match="no variant 'x'; it has onnxruntime-fp32"):
        profile_variants(cats, ["x"], ONE)


class SilentEngine:
    """An engine whose library tells no times, as ncnn's does."""

    name = FP32

    def run(self, batch):
        return np.zeros((len(batch), 3), np.float32)


def test_an_engine_that_tells_no_times_is_refused():
    photo = np.zeros((1, 224, 224, 3), np.uint8)
    with pytest.raises(EngineError, match="does not tell what its operators take"):
        CheckedEngine(SilentEngine()).profile(photo, 1)


def test_a_full_disk_is_told_and_more_runs_than_memory_holds_are_not_begun(
    cats, small_disk, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(StorageError, match=f"{small_disk}: no room .* TMPDIR"):
        profile_variants(cats, [FP32], ONE)
    done = CliRunner().invoke(cli, ["profile", "cats12", "--variant", FP32, "--runs", "10000"])
    assert (done.exit_code, "1<=x<=200" in done.output) == (2, True)


def test_the_command_prints_all_operators_as_json():
    arguments = ["profile", "cats12", "--variant", INT8, "--runs", "1", "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    (profile,) = json.loads(done.stdout)["profiles"]
    assert (profile["variant"], profile["device"]) == (INT8, "CPU")
    assert len(profile["operators"]) == profile["num_operators"] > 50


@pytest.mark.slow
def test_openvino_tells_in_what_each_operator_computes(make_bundle, colour_model):
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a model (edgecat[train])")
    pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")
    from edgecat.graph.to_openvino import export_openvino

    graph, weights = export_openvino(onnx.load_from_string(colour_model))
    variants = (Variant("openvino-fp32", ("m.xml", "m.bin")),)
    files = {"m.xml": graph, "m.bin": weights}
    bundle = load_bundle(make_bundle(files=files, variants=variants))
    for device in ("CPU", "AUTO"):
        (profile,) = profile_variants(bundle, ["openvino-fp32"], Resources(1, device=device), 3)
        assert profile.device == device
        assert sum(share.ratio for share in profile.operators) == pytest.approx(1)
        assert "f32" in {share.precision for share in profile.operators}
