"""What each section shows of what was given, and where it is missing."""

import json

import numpy as np
import pytest

from edgecat.errors import BundleError, ConfigError, DatasetError
from edgecat.progress import Silent
from edgecat.report.answers import Photos, answer_photos
from edgecat.report.facts import collect_facts
from edgecat.report.page import build_sections
from edgecat.report.parts import Bar, Gallery, Matrix, Table
from edgecat.report.sections import confusion, unknown
from edgecat.report.sources import load_sources
from tests.report.conftest import (
    FP32,
    INT8,
    build,
    build_search,
    random_answers,
    write_rated_bundle,
    write_results,
    write_run,
)

RECORDS_OF = {
    "run": {"glance", "classes", "training", "provenance"},
    "bundle": {"glance", "variants", "tradeoff", "flips", "classes", "search", "provenance"},
    "result": {"glance", "tradeoff", "latency"},
}


@pytest.fixture
def given(tmp_path):
    """A run, its bundle and a result, without photos."""
    bundle = write_rated_bundle(tmp_path, {"other.onnx": b"no model either"})
    return {
        "run": write_run(tmp_path / "run"),
        "bundle": bundle,
        "result": write_results(tmp_path / "result.json"),
    }


@pytest.mark.parametrize(
    "kinds", [("run",), ("bundle",), ("result",), ("run", "bundle"), ("run", "bundle", "result")]
)
def test_records_make_their_sections_and_the_rest_is_named(given, kinds):
    sections, missing = build([given[kind] for kind in kinds])
    assert sections.keys() == set().union(*(RECORDS_OF[kind] for kind in kinds))
    assert len(sections) + len(missing) == 13
    assert "Reliability" in missing


def test_photos_answer_what_records_do_not(colour_bundle, colour_photos):
    sections, _ = build([colour_bundle], Photos(colour_photos), Silent())
    (matrix,) = sections["confusion"].parts
    assert matrix == Matrix(
        f"12 all photos, answered by {FP32}",
        ("red", "green", "blue"),
        ((3, 1, 0), (0, 4, 0), (0, 0, 4)),
    )
    (mistakes,) = sections["mistakes"].parts
    assert [tile.alt for tile in mistakes.tiles] == ["red3.png, a photo of red"]
    assert mistakes.tiles[0].image.startswith("data:image/jpeg;base64,")
    assert dict(mistakes.tiles[0].facts)["Answer"].startswith("green")
    rows = {row[0]: row[1:] for row in sections["classes"].parts[0].rows}
    assert rows["red"][1].value_ratio == 0.75
    assert rows["green"][2].value_ratio == 0.8
    assert "reliability" in sections


def test_mistakes_have_heat_maps_where_the_model_tells_them(tmp_path, colour_bundle, colour_photos):
    sections, _ = build([colour_bundle], Photos(colour_photos), Silent())
    assert "There are no heat maps: " in sections["mistakes"].lead
    assert [tile.heat for tile in sections["mistakes"].parts[0].tiles] == [""]
    folder = tmp_path / "cats" / "Bengal"
    folder.mkdir(parents=True)
    (folder / "blue.png").write_bytes((colour_photos / "blue" / "blue0.png").read_bytes())
    (tmp_path / "cats" / "Sphynx").mkdir()
    (tmp_path / "cats" / "Sphynx" / "blue.png").write_bytes((folder / "blue.png").read_bytes())
    sections, _ = build(["cats12"], Photos(tmp_path / "cats"), Silent())
    tiles = sections["mistakes"].parts[0].tiles
    assert tiles
    for tile in tiles:
        assert tile.heat.startswith("data:image/jpeg;base64,")
        assert tile.heat != tile.image


def test_a_model_without_mistakes_says_so(colour_bundle, colour_photos):
    (colour_photos / "red" / "red3.png").unlink()
    sections, _ = build([colour_bundle], Photos(colour_photos), Silent())
    assert sections["mistakes"].lead == f"{FP32} answers each of 11 photos rightly (all)."
    assert sections["mistakes"].parts == ()


def test_a_flip_shows_the_truth_and_both_answers(colour_bundle, colour_photos):
    sections, _ = build([colour_bundle], Photos(colour_photos), Silent())
    (gallery,) = sections["flips"].parts
    assert isinstance(gallery, Gallery)
    assert gallery.title.startswith(f"{INT8}: 3 of 12 answers change, 3 right ones lost, 0 gained")
    for tile in gallery.tiles:
        said = dict(tile.facts)
        assert said["Truth"] == "red"
        assert said[FP32].startswith("red,")
        assert not said[INT8].startswith("red,")


def test_without_photos_flips_are_counts(given):
    sections, _ = build([given["bundle"]])
    (table,) = sections["flips"].parts
    assert table.rows == (("red", "2", "1"),)


def test_photos_are_left_out_on_demand(colour_bundle, colour_photos):
    sources = load_sources([str(colour_bundle)])
    answers = answer_photos(sources, Photos(colour_photos), Silent())
    sections, missing = build_sections(collect_facts(sources, answers, shows_photos=False))
    assert not any(isinstance(part, Gallery) for each in sections for part in each.parts)
    assert "Worst mistakes" in {each.title for each in missing}
    assert {"confusion", "flips"} <= {each.name for each in sections}


def test_photos_that_train_are_said_to_be_known(tmp_path, colour_models, colour_photos):
    import hashlib

    from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, PhotoRecord

    photo = (colour_photos / "red" / "red0.png").read_bytes()
    record = PhotoRecord(train=(hashlib.sha256(photo).hexdigest()[:16],))
    files = colour_models | {PHOTO_RECORD_FILE: record.to_json().encode()}
    bundle = write_rated_bundle(tmp_path, files, temperature=20.0)
    sections, _ = build([bundle], Photos(colour_photos), Silent())
    texts = [part.text for part in sections["glance"].parts if hasattr(part, "text")]
    assert any("trained on 1 of the photos" in text for text in texts)


def test_strangers_that_a_bundle_cannot_tell_are_refused(colour_bundle, colour_photos):
    with pytest.raises(ConfigError, match="cannot tell strangers"):
        build([colour_bundle], Photos(colour_photos, colour_photos), Silent())


def test_photos_of_other_classes_or_broken_ones_are_refused(colour_bundle, colour_photos):
    (colour_photos / "blue" / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(DatasetError, match=r"broken\.jpg"):
        build([colour_bundle], Photos(colour_photos), Silent())
    sections, _ = build([colour_bundle], Photos(colour_photos, skip_broken=True), Silent())
    assert sum(map(sum, sections["confusion"].parts[0].counts)) == 12
    (colour_photos / "blue").rename(colour_photos / "violet")
    with pytest.raises(DatasetError, match="violet"):
        build([colour_bundle], Photos(colour_photos), Silent())


def test_without_a_folder_of_others_its_option_is_named(tmp_path, colour_photos):
    from edgecat.photos.drawings import draw_cat

    (tmp_path / "cats" / "Bengal").mkdir(parents=True)
    draw_cat("Bengal", np.random.default_rng(0)).save(tmp_path / "cats" / "Bengal" / "1.png")
    photos = Photos(tmp_path / "cats", others=tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="--others"):
        build(["cats12"], photos, Silent())
    sections, _ = build(["cats12"], Photos(tmp_path / "cats", colour_photos), Silent())
    (figure,) = sections["unknown"].parts
    assert [row[:2] for row in figure.table.rows] == [("known", "1"), ("others", "12")]


def test_known_and_other_photos_are_counted_by_the_threshold(given):
    answers = random_answers(("red", "green", "blue"))
    facts = collect_facts(load_sources([str(given["bundle"])]), answers, shows_photos=True)
    (figure,) = unknown.build(facts).parts
    known, others = figure.table.rows
    assert known[2].endswith(f"({100 * (answers.ood.known > 1).mean():.1f})")
    assert others[2].endswith(f"({100 * (answers.ood.others > 1).mean():.1f})")


@pytest.mark.parametrize(("num_classes", "kind"), [(2, Matrix), (30, Matrix), (31, Table)])
def test_many_classes_are_listed_by_pairs(tmp_path, num_classes, kind):
    labels = tuple(f"class {number:03d}" for number in range(num_classes))
    facts = collect_facts(
        load_sources([str(write_run(tmp_path / "run", labels))]),
        random_answers(labels),
        shows_photos=False,
    )
    (part,) = confusion.build(facts).parts
    assert isinstance(part, kind)


def test_pairs_of_many_classes_are_the_most_frequent_and_no_right_answers(tmp_path):
    labels = tuple(f"class {number:03d}" for number in range(200))
    answers = random_answers(labels, num_images=2000)
    logits = answers.models[0].logits
    of_seven = answers.targets == 7
    logits[of_seven] = 0
    logits[of_seven, 9] = 1
    facts = collect_facts(
        load_sources([str(write_run(tmp_path / "run", labels))]), answers, shows_photos=False
    )
    (table,) = confusion.build(facts).parts
    num = int(of_seven.sum())
    assert table.rows[0] == ("class 007", "class 009", f"{num} of {num}")
    assert all(true != told for true, told, _ in table.rows)


def test_machines_are_not_mixed_and_bundles_are_named(tmp_path):
    results = [write_results(tmp_path / "a.json"), write_results(tmp_path / "b.json", "peer", 3.0)]
    sections, _ = build(results)
    (figure,) = sections["tradeoff"].parts
    assert {row[1] for row in figure.table.rows} == {"colours", "peer"}
    results[1].write_text(results[1].read_text().replace("Cortex-A76", "Cortex-A53"))
    sections, _ = build(results)
    assert len(sections["tradeoff"].parts) == 2


def edit(path, settings=None, **row):
    values = json.loads(path.read_text())
    values["settings"] |= settings or {}
    values["rows"] = [one | row for one in values["rows"]]
    path.write_text(json.dumps(values))
    return path


def test_accuracies_on_other_photos_are_not_drawn_into_one_plane(tmp_path):
    photos = {"split": "test", "photos_sha256": "ab" * 32}
    mine, peer = (edit(write_results(tmp_path / f"{n}.json", n), photos) for n in ("a", "b"))
    sections, _ = build([mine, peer])
    (figure,) = sections["tradeoff"].parts
    assert figure.title == "Cortex-A76, threads: 1, 30 test photos abababab"
    edit(peer, {"photos_sha256": "cd" * 32})
    sections, _ = build([mine, peer])
    titles = [part.title for part in sections["tradeoff"].parts]
    assert [title[-8:] for title in titles] == ["abababab", "cdcdcdcd"]


def test_another_device_than_the_cpu_is_named(tmp_path):
    gpu = edit(write_results(tmp_path / "gpu.json"), device="GPU")
    sections, _ = build([gpu])
    assert f"{INT8} on GPU of colours on Cortex-A76" in tally_of(gpu)["Fastest variant"][1]
    for name in ("latency", "tradeoff"):
        (figure,) = sections[name].parts
        assert [row[0].removeprefix(f"{n}: ") for n, row in enumerate(figure.table.rows, 1)] == [
            f"{FP32} on GPU", f"{INT8} on GPU"
        ]  # fmt: skip


def test_a_bundles_accuracy_is_not_that_of_another_device(tmp_path):
    large = b"x" * 6_000_000
    write_rated_bundle(tmp_path, {"model.onnx": large, "other.onnx": b"small"}, name="colours")
    result = edit(write_results(tmp_path / "a.json", top1=None), device="GPU")
    sections, _ = build([tmp_path / "colours", result])
    (figure,) = sections["tradeoff"].parts
    assert figure.title.startswith("measured at its export")


def test_a_result_without_accuracy_takes_the_bundles_if_it_is_of_the_same_files(tmp_path):
    large = b"x" * 6_000_000
    write_rated_bundle(tmp_path, {"model.onnx": large, "other.onnx": b"small"}, name="colours")
    result = write_results(tmp_path / "a.json", top1=None)
    sections, _ = build([tmp_path / "colours", result])
    (figure,) = sections["tradeoff"].parts
    assert [row[0] for row in figure.table.rows] == [f"1: {FP32}"]


def test_intervals_hold_what_was_measured(given):
    sections, _ = build([given["run"]])
    for row in sections["classes"].parts[0].rows:
        for bar in row[2:]:
            assert isinstance(bar, Bar)
            assert 0 <= bar.low_ratio <= bar.value_ratio <= bar.high_ratio <= 1


def test_a_search_tells_each_step_and_which_was_taken(given):
    sections, _ = build([given["bundle"]])
    (figure,) = sections["search"].parts
    assert [(row[0], row[-1]) for row in figure.table.rows] == [
        ("1: min-max ranges", "no"),
        ("2: stem in float", "yes"),
    ]


@pytest.mark.parametrize(
    "search", [3, {INT8: 3}, {INT8: {"chosen": "x"}}, {INT8: build_search() | {"steps": [1]}}]
)
def test_a_search_that_is_none_is_named(tmp_path, search):
    bundle = write_rated_bundle(tmp_path, {"other.onnx": b""}, provenance={"search": search})
    with pytest.raises(BundleError, match="search"):
        build([bundle])


def test_an_unfinished_run_says_so(tmp_path):
    sections, _ = build([write_run(tmp_path / "run", outcome=None)])
    assert any("not finished" in getattr(part, "text", "") for part in sections["glance"].parts)
    assert "training" in sections


def test_origin_names_nothing_of_the_machine(given):
    sections, _ = build([given["run"]])
    text = str(sections["provenance"])
    assert "start.pth" in text
    assert "/home/me" not in text
    assert "/nowhere" not in text


def tally_of(*names):
    """Return the large numbers of the first section, by what each is of."""
    sections, _ = build(names)
    tally, *_ = sections["glance"].parts
    return {what: (number, basis) for what, number, basis in tally.numbers}


def test_the_fastest_variant_is_that_of_the_lowest_ratio_not_of_the_lowest_median(tmp_path):
    path = write_results(tmp_path / "result.json")
    values = json.loads(path.read_text())
    float_row, int8_row = values["rows"]
    float_row["latency_ms"] = {"p50": 2.2, "p95": 3.0, "p99": 4.0}
    int8_row["latency_ms"] = {"p50": 2.5, "p95": 3.0, "p99": 4.0}
    int8_row |= {"latency_interval_ms": [2.4, 2.7], "ratio_to_fp32": 0.75}
    int8_row |= {"ratio_interval": [0.7, 0.8]}
    path.write_text(json.dumps(values))
    number, basis = tally_of(path)["Fastest variant"]
    assert number.replace("\xa0", " ") == "2.4 to 2.7 ms (2.5)"
    assert basis.replace("\xa0", " ") == (
        f"{INT8} of colours on Cortex-A76, 1 thread, 0.70 to 0.80 times (0.75) its fp32's latency; "
        "a photo already decoded, median"
    )


def test_between_engines_the_medians_of_the_run_say_which_is_the_fastest(tmp_path):
    path = write_results(tmp_path / "result.json")
    values = json.loads(path.read_text())
    values["rows"].append(values["rows"][0] | {"variant": "openvino-fp32"})
    values["rows"][-1]["latency_ms"] = {"p50": 5.0, "p95": 6.0, "p99": 7.0}
    path.write_text(json.dumps(values))
    assert "openvino-fp32 of colours" in tally_of(path)["Fastest variant"][1]


def test_a_result_that_calls_itself_too_noisy_has_no_fastest_variant(tmp_path):
    loud = write_results(tmp_path / "loud.json", noise="too noisy")
    sections, _ = build([write_run(tmp_path / "run"), loud])
    assert "Fastest variant" not in dict(name[:2] for name in sections["glance"].parts[0].numbers)
    assert "Fastest variant" in tally_of(write_results(tmp_path / "a.json", noise="noisy"))
    sections, _ = build([loud])
    (text,) = sections["glance"].parts
    assert text.text.startswith("Times of colours are too noisy")


def test_the_interval_stands_before_what_was_measured_and_n_where_there_is_none(given):
    tally = tally_of(given["run"])
    assert tally["Top-1 right"][0].replace("\xa0", " ") == "80.0 to 95.0 % (90.0)"
    assert "; 30 test photos" in tally["Top-1 right"][1]
    assert "n = 30" in tally["Macro F1"][1]
