import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

import torch

from edgecat.train import threads


@pytest.mark.parametrize(("before", "usable", "after"), [(4, 2, 2), (1, 2, 1), (2, 2, 2)])
def test_torch_computes_with_no_more_threads_than_pay_off(monkeypatch, before, usable, after):
    num_threads = torch.get_num_threads()
    monkeypatch.setattr(threads, "count_threads", lambda: usable)
    torch.set_num_threads(before)
    try:
        threads.limit_threads()
        assert torch.get_num_threads() == after
    finally:
        torch.set_num_threads(num_threads)
