from edgecat.train.history import describe_row, is_kept


def rows(*durations_s):
    same = {"train_loss": 1.0, "num_skipped_steps": 0, "val_top1_ratio": 0.5}
    return [
        {"epoch": n, "duration_s": s, "val_macro_f1_ratio": 0.5, **same}
        for n, s in enumerate(durations_s, 1)
    ]


def test_a_line_says_how_much_time_is_left():
    assert "epoch 2/5: " in (line := describe_row(rows(60, 180), 5, is_kept=True))
    assert line.endswith("(kept), 180 s, 6 min left")


def test_the_last_line_says_of_no_time_that_is_left():
    assert describe_row(rows(60, 180), 2, is_kept=False).endswith("%, 180 s")


def test_answering_one_large_class_to_all_is_no_score_to_reach():
    lost = {"val_top1_ratio": 0.95, "adjusted_recall_ratio": 0.0}
    better = {"val_top1_ratio": 0.90, "adjusted_recall_ratio": 0.85}
    worse = {"val_top1_ratio": 0.80, "adjusted_recall_ratio": 0.7}
    assert not is_kept([lost], num_val=100)
    assert is_kept([lost, better], num_val=100)
    assert not is_kept([lost, better, worse], num_val=100)
