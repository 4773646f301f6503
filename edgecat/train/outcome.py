"""What a finished run is worth: the test photos, looked at once, and the two pictures."""

import statistics
import time

import numpy as np
import numpy.typing as npt

from edgecat.scores import evaluation
from edgecat.scores.metrics import confusion_matrix, wilson_interval
from edgecat.train import run as runs
from edgecat.train.checkpoint import State, load_model
from edgecat.train.data import TrainingData
from edgecat.train.learner import Learner
from edgecat.train.plots import plot_confusion, plot_curves
from edgecat.train.run import Outcome, PartScore
from edgecat.train.session import Session
from edgecat.train.validate import answer

#: The parts of the test photos of a run with added ones.
OWN, REVIEWED = "photos of DATA", "reviewed photos"


def _score_parts(data: TrainingData, is_right: npt.NDArray[np.bool_]) -> dict[str, PartScore]:
    """Return the scores of the data set's own test photos and of reviewed ones.

    Args:
        data: The photos.
        is_right: bool `[N]`: of each test photo, whether it was answered rightly.
    """
    is_added = data.indices("test") >= data.num_own
    parts = {OWN: is_right[~is_added], REVIEWED: is_right[is_added]}
    return {
        name: PartScore(int(part.sum()), len(part), wilson_interval(int(part.sum()), len(part)))
        for name, part in parts.items()
    }


def measure_outcome(session: Session, learner: Learner, state: State, started_s: float) -> Outcome:
    """Look at the test photos, once, with the kept epoch's weights; draw the pictures.

    Args:
        session: The run.
        learner: Its averaged network gets the kept weights.
        state: Of the last epoch.
        started_s: When the run began, of `time.perf_counter`; of a resumed one, less its epochs of
            before.

    Raises:
        TrainError: The kept weights are damaged or gone.
        StorageError: The disk is full.
    """
    load_model(learner.averaged, session.run / runs.MODEL)
    logits, targets = answer(session, learner, "test")
    labels = session.data.labels
    score = evaluation.score("checkpoint", "test", labels, targets, logits)
    plot_curves(state.history, state.best_epoch, session.run / "curves.png")
    is_right = logits.argmax(axis=1) == targets
    confusion = confusion_matrix(logits.argmax(axis=1), targets, len(labels))
    plot_confusion(confusion, labels, session.run / "confusion.png")
    best = next(row for row in state.history if row["epoch"] == state.best_epoch)
    # Runs of an older edgecat, resumed, have rows without the newer columns.
    rates = [row["images_per_s"] for row in state.history if "images_per_s" in row]
    return Outcome(
        best_epoch=state.best_epoch,
        val_top1_ratio=best["val_top1_ratio"],
        val_macro_f1_ratio=best.get("val_macro_f1_ratio"),
        num_test=score.num_images,
        test_top1_ratio=score.top1_ratio,
        test_interval_ratio=score.top1_interval_ratio,
        test_macro_f1_ratio=score.macro_f1_ratio,
        test_per_class=score.per_class,
        test_parts=_score_parts(session.data, is_right) if session.data.added else {},
        duration_s=time.perf_counter() - started_s,
        images_per_s=statistics.harmonic_mean(rates) if rates else 0.0,
    )
