import sys

import pytest

pytest.importorskip("tensorboard", reason="needs TensorBoard (edgecat[tensorboard])")

from edgecat.errors import TrainError
from edgecat.train.board import check_board, open_board


def read(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_tensorboard_reads_each_epoch_once_also_after_a_kill(tmp_path):
    with open_board(tmp_path, done_epochs=0) as tell:
        for epoch in (1, 2, 3):
            tell({"epoch": epoch, "train_loss": 4.0 / epoch, "val_top1_ratio": 0.5})
    with open_board(tmp_path, done_epochs=2) as tell:  # epoch 3 was not kept: it is done again
        tell({"epoch": 3, "train_loss": 0.25, "val_top1_ratio": 0.75})
    found = read(tmp_path)
    assert found["train/loss"] == [(1, 4.0), (2, 2.0), (3, 0.25)]
    assert found["val/top1_ratio"] == [(1, 0.5), (2, 0.5), (3, 0.75)]


def test_tensorboard_that_is_missing_is_told_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainError, match=r"pip install 'edgecat\[tensorboard\]'"):
        check_board()
