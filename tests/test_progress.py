"""How long things take, as people read it."""

import pytest

from edgecat.progress import describe_duration


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")],
)
def test_a_duration_is_told_as_people_read_it(duration_s, text):
    assert describe_duration(duration_s) == text
