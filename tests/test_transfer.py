"""The numbers of benchmarks/transfer: intervals, when a run has learned, which mistakes stay."""

import math

import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.results import list_results
from benchmarks.transfer.folders import SPLITS, Nums, link_split
from benchmarks.transfer.numbers import (
    inherited_ratio,
    mean_of,
    measure_reached,
    rank_pairs,
)
from benchmarks.transfer.pictures import FOLDER, hash_result


def test_a_mean_over_seeds_has_students_interval():
    found = mean_of([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3))
    assert str(found) == "2.0 ± 2.5"


def test_one_seed_has_no_interval():
    assert math.isnan(mean_of([5.0]).half_width)
    assert str(mean_of([5.0])) == "5.0"


def way(init, seed, ratios):
    return {
        "experiment": "ways",
        "init": init,
        "seed": seed,
        "val_top1_ratios": ratios,
        "epochs_cpu_s": [10.0, 20.0, 30.0],
    }


def test_the_target_is_a_share_of_the_best_that_any_way_reaches_with_the_same_seed():
    result = {
        "rows": [
            way("transfer", 0, [0.5, 0.8, 1.0]),
            way("scratch", 0, [0.1, 0.3, 0.79]),
            way("transfer", 1, [0.4, 0.5, 0.5]),
            way("scratch", 1, [0.1, 0.2, 0.4]),
        ]
    }
    assert str(measure_reached(result, "transfer")) == "after 1.5 epochs (15 CPU-s)"
    assert str(measure_reached(result, "scratch")) == "after 3.0 epochs (30 CPU-s, in 1 of 2 seeds)"
    del result["rows"][2:]
    assert str(measure_reached(result, "scratch")) == "in none of its 3 epochs"


def test_mistakes_are_counted_both_ways_and_over_all_seeds():
    before, after = [[9, 1, 0], [2, 9, 0], [0, 1, 9]], [[9, 1, 1], [0, 9, 0], [1, 1, 9]]
    row = {"experiment": "bias", "labels": ["a", "b", "c"]}
    confusions = {"before": before, "transfer": after}
    result = {"rows": [row | {"seed": seed, "confusions": confusions} for seed in (0, 1)]}
    assert rank_pairs(result, "before") == [("a", "b", 6), ("b", "c", 2), ("a", "c", 0)]
    assert inherited_ratio(result, "before") == 1


def test_a_split_of_more_training_photos_holds_the_smaller_one_and_the_same_test_photos(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (8, 8)).save(tmp_path / "data" / name / f"{number}.png")
    small, large = (
        link_split(tmp_path / "data", tmp_path / str(num), ("a", "b"), Nums(num, 2, 3), seed=4)
        for num in (2, 6)
    )
    files = {
        (folder, split): {
            f"{file.parent.name}/{file.name}" for file in (folder / split).glob("*/*")
        }
        for folder in (small, large)
        for split in SPLITS
    }
    assert files[small, "train"] < files[large, "train"]
    assert files[small, "val"] == files[large, "val"]
    assert files[small, "test"] == files[large, "test"]
    assert [len(files[large, split]) for split in SPLITS] == [12, 4, 6]
    assert not files[large, "train"] & (files[large, "val"] | files[large, "test"])


@pytest.mark.parametrize("picture", sorted(FOLDER.glob("*.png")), ids=lambda path: path.name)
def test_a_picture_is_drawn_from_the_committed_result(picture):
    of = {hash_result(path) for path in list_results("transfer")}
    assert Image.open(picture).text["Source"] in of, "run: python -m benchmarks.transfer.pictures"
