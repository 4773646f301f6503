"""Manifests of schema 1, as the first released model has one."""

import json
from pathlib import Path

import pytest

from edgecat.bundle.manifest import ModelSpec
from edgecat.errors import BundleError

#: The manifest of the first released `cats12`: it has every field.
RELEASED = Path(__file__).with_name("schema1.json").read_text()


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
