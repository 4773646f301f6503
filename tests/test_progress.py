"""How long things take and how many there are, as people read it."""

import pytest

from edgecat.progress import describe_count, describe_duration


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")],
)
def test_a_duration_is_told_as_people_read_it(duration_s, text):
    assert describe_duration(duration_s) == text


@pytest.mark.parametrize(
    ("num", "what", "text"),
    [(0, "photo", "0 photos"), (1, "photo", "1 photo"), (1, "class", "1 class"),
     (2, "class", "2 classes")],
)  # fmt: skip
def test_one_of_a_kind_is_told_in_the_singular(num, what, text):
    assert describe_count(num, what) == text
