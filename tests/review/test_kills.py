"""`kill -9` while somebody decides: `benchmarks/review/kills.py`, a few times."""

import pytest

from benchmarks.review.kills import find_lost, kill_again_and_again
from tests.review.conftest import keep_photos

NUM_KILLS = 10


@pytest.mark.slow  # starts processes and kills them
def test_no_decision_that_was_answered_is_lost(folder):
    keep_photos(folder, 40)
    found = kill_again_and_again(folder, NUM_KILLS, seed=1)
    assert found["num_answered"] > 0
    assert found["num_lost"] == 0
    assert found["num_written_unanswered"] <= NUM_KILLS  # at most the one under way


def test_what_is_lost_or_out_of_order_is_found():
    assert find_lost([1, 2, 3], [1, 9, 2, 3]) == []
    assert find_lost([1, 2, 3], [1, 3]) == [2, 3]  # behind a hole nothing is sure any more
    assert find_lost([1, 2], [2, 1]) == [2]
