import itertools

import pytest

from edgecat.photos.spread import spread


@pytest.mark.parametrize(("num", "most"), [(0, 8), (1, 8), (8, 8), (9, 8), (12, 200), (127, 64)])
def test_positions_reach_from_the_first_to_the_last_in_even_steps(num, most):
    found = spread(num, most).tolist()
    assert len(found) == min(num, most)
    if found:
        assert (found[0], found[-1]) == (0, num - 1)
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert all(step >= 1 for step in steps)
    assert not steps or max(steps) - min(steps) <= 1
