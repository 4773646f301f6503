"""A rank that tests/train/test_ranks.py starts: what ranks tell each other, and layers share."""

import copy
import os
import signal
import sys
from importlib.util import find_spec

import torch
from torch import distributed, nn

from edgecat.errors import TrainError
from edgecat.train.ranks import join, read_ranks
from edgecat.train.shared_layers import SharedBatchNorm, SharedDropout, share_layers
from edgecat.train.vision import import_torchvision

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


def list_batch_norms():
    """torch's own; and timm's, where that is installed, which goes on with an activation."""
    yield nn.BatchNorm2d(7, momentum=0.1)
    if find_spec("timm") is not None:
        import_torchvision()
        from timm.layers import BatchNormAct2d

        yield BatchNormAct2d(7, momentum=0.1, act_layer=nn.SiLU)


def check_batch_norms(ranks):
    """Maps, gradients and statistics are those of one process that has the whole batch."""
    for alone in list_batch_norms():
        network = nn.Sequential(copy.deepcopy(alone))
        share_layers(network, ranks, torch.device("cpu"), sync_batch_norm=True)
        assert type(network[0]) is SharedBatchNorm
        assert network.state_dict().keys() == nn.Sequential(alone).state_dict().keys()
        check_batch_norm(ranks, alone, network[0])


def check_batch_norm(ranks, alone, shared):
    """Also if nothing is learned, and to the type that they come in."""
    torch.manual_seed(0)
    maps, slopes = 10 + 3 * torch.randn(5, 7, 6, 6), torch.randn(5, 7, 6, 6)
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
        (shared.eval()(maps), alone.eval()(maps)),
    ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=ROUNDING, atol=ROUNDING)
    assert shared.train()(maps[rows].bfloat16()).dtype == torch.bfloat16


def check_strange_batch_norm(ranks):
    """A kind that nobody knows is refused, rather than left with statistics of its own."""
    network = nn.Sequential(nn.BatchNorm1d(7))
    try:
        share_layers(network, ranks, torch.device("cpu"), sync_batch_norm=True)
    except TrainError as error:
        assert "BatchNorm1d of this network cannot take its statistics" in str(error)
    else:
        raise AssertionError("BatchNorm1d passed")
    share_layers(network, ranks, torch.device("cpu"), sync_batch_norm=False)


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


CHECKS = (check_exchange, check_batch_norms, check_strange_batch_norm, check_dropout)


def main():
    ranks = read_ranks()
    try:
        with join(ranks, torch.device("cpu")):
            for check in CHECKS:
                check(ranks)
            print(f"rank {ranks.rank}: all checked", flush=True)
            check_lost(ranks)
    except TrainError as error:
        print(error, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
