"""The model card, read by those who will read it."""

import pytest

from edgecat.report.card import render_card
from edgecat.report.facts import collect_facts
from edgecat.report.sources import load_sources
from tests.report.conftest import EVIL_LABELS, write_rated_bundle, write_run


def card_of(*paths):
    return render_card(collect_facts(load_sources(list(map(str, paths))), None, shows_photos=True))


@pytest.mark.parametrize(
    ("licence", "told"),
    [
        ({"model": "Apache-2.0, as edgecat"}, {"license": "apache-2.0"}),
        (
            {"model": "mine: \u2028 ask me"},
            {"license": "other", "license_name": "mine: \u2028 ask me"},
        ),
        ({}, {"license": "unknown"}),
        (None, {"license": "unknown"}),
    ],
)
def test_the_front_matter_is_yaml_with_the_licence(tmp_path, licence, told):
    yaml = pytest.importorskip("yaml", reason="needs PyYAML (edgecat[dev])")
    origin = {} if licence is None else {"licence": licence}
    card = card_of(write_rated_bundle(tmp_path, {"other.onnx": b""}, provenance=origin))
    front = yaml.safe_load(card.split("---\n")[1])
    assert {name: front[name] for name in told} == told
    assert front["pipeline_tag"] == "image-classification"


def test_the_hubs_own_reader_finds_the_metrics(tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="needs huggingface_hub (edgecat[dev])")
    card = hub.ModelCard(card_of(write_run(tmp_path / "run")))
    found = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert found == {"accuracy": 0.9, "f1": 0.89}
    assert card.data.eval_results[0].dataset_split == "test"


def test_labels_are_text_in_markdown(tmp_path):
    markdown = pytest.importorskip("markdown", reason="needs Markdown (edgecat[dev])")
    card = card_of(write_run(tmp_path / "run", EVIL_LABELS))
    html = markdown.markdown(card.split("---\n", 2)[2], extensions=["tables"])
    assert "<script" not in html
    assert "<img" not in html
    assert "<em>" not in html
    assert "<a " not in html
    for row in [line for line in card.splitlines() if line.startswith("| ")]:
        assert row.replace("\\|", "").count("|") == 5


def test_limits_name_what_is_not_known(tmp_path):
    labels = ("a", "b")
    few = write_rated_bundle(tmp_path, {"other.onnx": b""}, labels)
    card = card_of(few)
    assert "cannot tell photos of none of its classes" in card
    assert "Not recorded: ask who trained the model" in card
