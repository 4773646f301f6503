"""Bundles of schema 1, the first released."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecat.bundle.archive import pack_bundle, unpack_bundle
from edgecat.bundle.golden import load_golden
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.photo_record import load_photo_record
from edgecat.bundle.signature import make_key
from edgecat.bundle.signing import sign_bundle
from edgecat.bundle.store import load_bundle, load_spec
from edgecat.errors import BundleError, RollbackError
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.selftest import run_self_test

FOLDER = Path(__file__).with_name("schema1")

#: The manifest of the first released `cats12`: it has every field.
RELEASED = (FOLDER / "cats12.json").read_text()

#: A small bundle with every field and file, made, signed and asked by edgecat as it was then.
BUNDLE, OWNER = FOLDER / "bundle", FOLDER / "owner.pub.pem"
ANSWERS = json.loads((FOLDER / "answers.json").read_text())

# Another processor sums in another order: 1e-5 of a logit was seen, less of a probability.
PROBABILITY_TOLERANCE = 1e-5


def test_the_first_released_manifest_is_read_with_the_same_facts():
    old, spec = json.loads(RELEASED), ModelSpec.from_json(RELEASED, "bundle.json")
    assert spec.schema_version == 2
    assert (spec.name, spec.arch, list(spec.labels)) == (old["name"], old["arch"], old["labels"])
    assert (spec.ood.file, spec.ood.residual_weight) == tuple(old["known"].values())
    thresholds = [variant["known_threshold"] for variant in old["variants"]]
    assert [variant.ood_threshold for variant in spec.variants] == [-t for t in thresholds]


def test_the_search_for_int8_is_found_under_its_new_names():
    old = json.loads(RELEASED)["provenance"]["ladder"]["onnxruntime-int8"]
    new = ModelSpec.from_json(RELEASED, "bundle.json").provenance["search"]["onnxruntime-int8"]
    assert new["chosen"] == "four stages in float"
    assert [step["change"] for step in new["steps"]] == [rung["change"] for rung in old["rungs"]]
    assert [step["recipe"]["num_float_stages"] for step in new["steps"]] == [
        rung["recipe"]["num_float_halvings"] for rung in old["rungs"]
    ]


def test_it_is_written_as_schema_2_and_read_again():
    spec = ModelSpec.from_json(RELEASED, "bundle.json")
    assert ModelSpec.from_json(spec.to_json(), "bundle.json") == spec


@pytest.mark.parametrize(
    ("key", "value"),
    [("variants", 3), ("variants", [3]), ("provenance", []), ("known", "?"), ("ood", {})],
)
def test_a_damaged_one_is_refused_as_such(key, value):
    with pytest.raises(BundleError, match=r"bundle\.json: "):
        ModelSpec.from_json(json.dumps(json.loads(RELEASED) | {key: value}), "bundle.json")


@pytest.mark.parametrize("search", ["?", {"v": 1}, {"v": {"rungs": [1, {"recipe": 1}]}}])
def test_provenance_of_any_form_is_kept(search):
    values = json.loads(RELEASED) | {"provenance": {"ladder": search, "budget": None}}
    spec = ModelSpec.from_json(json.dumps(values), "bundle.json")
    assert set(spec.provenance) == {"search", "budget"}


def skip_without(engine):
    if engine == "openvino":
        pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")


@pytest.mark.parametrize("variant", ANSWERS)
def test_an_old_bundle_opens_and_answers_as_it_did_then(variant):
    skip_without(variant.split("-")[0])
    with Classifier.open(BUNDLE, variant, threads=1, signer=OWNER) as classifier:
        for colour, then in ANSWERS[variant].items():
            picture = np.full((300, 300, 3), [int(part) for part in colour.split(",")], np.uint8)
            now = classifier.predict(picture)
            assert (now.answer, now.label, now.is_known) == (
                then["answer"],
                then["label"],
                then["is_known"],
            )
            assert [guess.label for guess in now.top] == [guess["label"] for guess in then["top"]]
            assert [guess.probability for guess in now.top] == pytest.approx(
                [guess["probability"] for guess in then["top"]], abs=PROBABILITY_TOLERANCE
            )


def test_the_old_answers_are_of_all_kinds():
    """So that the test above cannot pass by answering always the same."""
    given = [answer for answers in ANSWERS.values() for answer in answers.values()]
    assert {answer["is_known"] for answer in given} == {True, False}
    assert len({answer["answer"] for answer in given}) > 1


@pytest.mark.parametrize("variant", ANSWERS)
def test_an_old_bundle_passes_its_self_test(variant):
    skip_without(variant.split("-")[0])
    bundle = load_bundle(BUNDLE)
    assert run_self_test(bundle, open_engine(bundle, variant, 1)).num_photos == 3


def test_all_of_an_old_bundle_is_read():
    bundle = load_bundle(BUNDLE)
    assert len(load_golden(bundle).photos) == 3
    assert load_photo_record(bundle).was_tested("2" * 64)
    assert set(bundle.spec.provenance["search"]) == {"onnxruntime-int8"}
    assert bundle.spec.variant("onnxruntime-int8").score.flips["red"].num_lost == 2
    assert bundle.spec.release is None


def test_an_old_signature_holds_until_a_numbered_release_was_used(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    owner = make_key(tmp_path / "owner.pem")
    for folder in (old, new):
        shutil.copytree(BUNDLE, folder)
    sign_bundle(new, tmp_path / "owner.pem")
    assert load_bundle(BUNDLE, signer=OWNER).spec == load_bundle(old).spec
    sign_with(tmp_path / "owner.pem", old)
    Classifier.open(old, "onnxruntime-fp32", signer=owner).close()
    Classifier.open(new, "onnxruntime-fp32", signer=owner).close()
    with pytest.raises(RollbackError, match="without a number"):
        load_bundle(old, signer=owner)


def sign_with(key, folder):
    """Sign a manifest as it stands, as edgecat did before releases had numbers."""
    from edgecat.bundle.signature import sign

    (folder / "bundle.sig").write_bytes(sign((folder / "bundle.json").read_bytes(), key))


def test_an_old_bundle_that_is_signed_again_becomes_one_of_schema_2(tmp_path):
    shutil.copytree(BUNDLE, tmp_path / "copy")
    make_key(tmp_path / "owner.pem")
    sign_bundle(tmp_path / "copy", tmp_path / "owner.pem")
    spec = load_spec(tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "bundle.json").read_text())["schema_version"] == 2
    assert spec.variants == load_spec(BUNDLE).variants
    assert spec.provenance == load_spec(BUNDLE).provenance


def test_an_old_bundle_is_packed_and_unpacked_byte_for_byte(tmp_path):
    pack_bundle(BUNDLE, tmp_path / "old.zip")
    unpack_bundle(tmp_path / "old.zip", tmp_path / "out", signer=OWNER)
    for file in BUNDLE.iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
