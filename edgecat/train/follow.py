"""What all ranks but the first do with a network: take every step that it takes.

What they cannot know without it, it tells them: see `edgecat.train.fit`.
"""

import dataclasses
from pathlib import Path

import numpy as np

from edgecat.errors import TrainError
from edgecat.progress import Progress
from edgecat.strict import build
from edgecat.train.cache import PhotoCache
from edgecat.train.data import TrainingData
from edgecat.train.fit import Start
from edgecat.train.learner import build_learner
from edgecat.train.loop import begin, train
from edgecat.train.memory import memory_errors
from edgecat.train.photo_store import PhotoStore
from edgecat.train.run import RunRecord
from edgecat.train.session import Session
from edgecat.train.teacher_answers import TeacherAnswers


def follow(
    start: Start, data: TrainingData, unlabelled: PhotoCache | None, progress: Progress
) -> RunRecord:
    """Teach a network together with the first rank, and return the record that it keeps.

    Args:
        start: As for `edgecat.train.fit.fit`.
        data: As for `edgecat.train.fit.fit`.
        unlabelled: As for `edgecat.train.fit.fit`.
        progress: As for `edgecat.train.fit.fit`.

    Raises:
        TrainError: The first rank has ended.
        DivergedError: The run went wrong.
    """
    job, ranks = start.job, start.ranks
    chosen = ranks.hear()
    if chosen is not None:  # else the run was finished before
        data = dataclasses.replace(data, unlabelled=unlabelled, chosen=np.array(chosen, np.int64))
        store = PhotoStore(data, start.device)
        session = Session(job.run, job.recipe, job.seed, data, store, progress)
        learner = build_learner(start.network, job.recipe, start.device, ranks)
        with memory_errors(session, learner):
            state = begin(session, learner)
            if job.teacher:
                while (told := ranks.hear()) is None:
                    pass  # it still answers
                answers = TeacherAnswers(Path(), **told)
                session = dataclasses.replace(session, answers=answers)
            train(session, learner, state)
    return build(RunRecord, ranks.hear(), "first rank", TrainError)
