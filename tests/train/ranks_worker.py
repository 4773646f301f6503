"""A rank that tests/train/test_ranks.py starts: what ranks tell each other, and layers share."""

import os
import signal
import sys

import torch
from torch import distributed, nn

from edgecat.errors import TrainError
from edgecat.train.ranks import join, read_ranks
from edgecat.train.shared_layers import SharedBatchNorm, SharedDropout

# float32's rounding, in maps of size 1.
ROUNDING = 1e-5

# Ranks that differ: what each has, by rank, and what both then say.
DIFFERENT = [
    [{"recipe's epochs": 10}, {"recipe's epochs": 20}],
    [{"torch": "2.13.0", "edgecat": "0.1.0"}, {"torch": "2.12.1", "edgecat": "0.1.0"}],
    [{"photos": "30 files"}, {"photos": "29 files"}],
]


def check_exchange(ranks):
    """What one tells all hear; parts make up the whole; different ranks are refused."""
    assert ranks.first(lambda: {"rank": ranks.rank}) == {"rank": 0}
    assert ranks.share(lambda: bytes([ranks.rank]), source=1) == b"\x01"
    assert ranks.from_here(lambda: bytes([ranks.rank])) == b"\x00"
    assert ranks.sum(torch.tensor([1.0, ranks.rank])).tolist() == [2.0, 1.0]
    assert [len(range(5)[ranks.span(5)])] == [3 - ranks.rank]
    ranks.agree({"seed": 1})
    for facts in DIFFERENT:
        try:
            ranks.agree(facts[ranks.rank])
        except TrainError as error:
            (name, mine), *_ = (pair for pair in facts[1].items() if pair not in facts[0].items())
            assert "rank 1 (on " in str(error)
            assert f"{name} {mine!r}, not {facts[0][name]!r} as rank 0 (on " in str(error)
        else:
            raise AssertionError(f"{facts} passed for the same")


def check_batch_norm(ranks):
    """Maps, gradients and statistics are those of one process that has the whole batch."""
    torch.manual_seed(0)
    maps, slopes = 10 + 3 * torch.randn(5, 7, 6, 6), torch.randn(5, 7, 6, 6)
    alone, shared = nn.BatchNorm2d(7, momentum=0.1), SharedBatchNorm(7, momentum=0.1)
    whole = maps.clone().requires_grad_()
    answered = alone(whole)
    (answered * slopes).sum().backward()
    rows = ranks.span(len(maps))
    part = maps[rows].clone().requires_grad_()
    answered_here = shared(part)
    (answered_here * slopes[rows]).sum().backward()
    pairs = [
        (answered_here, answered[rows]),
        (part.grad, whole.grad[rows]),
        (ranks.sum(shared.weight.grad), alone.weight.grad),
        (shared.running_mean, alone.running_mean),
        (shared.running_var, alone.running_var),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=ROUNDING, atol=ROUNDING)


def check_dropout(ranks):
    """Each photo loses the features that it would lose in one process, bit for bit."""
    features = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    alone = nn.Dropout(0.2)(features)
    torch.manual_seed(2)
    rows = ranks.span(len(features))
    assert torch.equal(SharedDropout(0.2, ranks)(features[rows]), alone[rows])


def check_lost(ranks):
    """Who is left behind says that another one has ended, not what gloo says of it."""
    if ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.all_reduce(torch.ones(1))


def main():
    ranks = read_ranks()
    try:
        with join(ranks, torch.device("cpu")):
            for check in (check_exchange, check_batch_norm, check_dropout):
                check(ranks)
            print(f"rank {ranks.rank}: all checked", flush=True)
            check_lost(ranks)
    except TrainError as error:
        print(error, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
