"""In which order photos come up for review."""

from pathlib import Path

import pytest

from edgecat.keep.kept import KeptAnswer, KeptPhoto
from edgecat.review.desk import Item, arrange
from edgecat.runtime.prediction import Guess

BATCH = 40


def item(number, why="unsure", first=0.5, second=0.4, label="Siamese"):
    top = (Guess(label, first), Guess("Persian", second))
    answer = "unknown" if why == "unknown" else label
    photo = KeptPhoto(Path(f"{number:064x}.jpeg"), 100, number)
    return Item(photo, KeptAnswer(why, "2026-11-28T10:20:30", "cats", "v", answer, top))


def test_who_stops_early_has_seen_the_least_sure_ones():
    margins = [number / 500 for number in range(200)]
    items = [item(n, first=0.5 + m / 2, second=0.5 - m / 2) for n, m in enumerate(margins)]
    queue = arrange(reversed(items))
    for start in range(0, 200, BATCH):
        batch = sorted(one.photo.time_ns for one in queue[start : start + BATCH])
        assert batch == [*range(start, start + BATCH)]


def test_unknown_and_unsure_photos_share_each_batch_and_the_sample_comes_last():
    kinds = ("unknown", "unsure", "sample")
    queue = arrange(item(n, kinds[n // 100], first=0.9, second=0.1) for n in range(300))
    whys = [one.answer.why for one in queue]
    for start in range(0, 200, BATCH):
        assert whys[start : start + BATCH] == ["unknown"] * (BATCH // 2) + ["unsure"] * (BATCH // 2)
    assert whys[200:] == ["sample"] * 100


def test_within_a_batch_like_lies_beside_like():
    labels = ("Bengal", "Siamese", "Birman")
    queue = arrange(item(n, label=labels[n % 3]) for n in range(BATCH))
    groups = [one.group for one in queue]
    assert groups == sorted(groups)


def test_a_photo_without_an_answer_comes_at_the_end():
    alone = Item(KeptPhoto(Path("f" * 64 + ".png"), 1, 0), None)
    assert arrange([alone, item(1, "sample"), item(2)])[-1] is alone


@pytest.mark.parametrize("num", [0, 1, BATCH, BATCH + 1])
def test_every_photo_comes_once(num):
    items = [item(number) for number in range(num)]
    assert sorted(one.photo.time_ns for one in arrange(items)) == [*range(num)]
