"""Which labels are likely wrong?"""

from edgecat.audit.check import Check, Finding, Found
from edgecat.audit.survey import Survey
from edgecat.photos.split import MIN_PHOTOS


def find_wrong_labels(survey: Survey) -> Found:
    """Photos whose features are those of another class, the least likely label first."""
    judged = survey.judgement
    if judged is None:
        few = f"fewer than two classes have {MIN_PHOTOS} photos that differ"
        return Found((), not_looked=few)
    doubts = []
    for row in map(int, judged.in_doubt.nonzero()[0]):
        path = survey.path(int(judged.positions[row]))
        text = (
            f"{judged.labels[judged.targets[row]]!r}? Looks like {judged.likely(row)!r} "
            f"({100 * judged.own_probability(row):.0f} to "
            f"{100 * judged.probabilities[row].max():.0f} %)"
        )
        doubts.append(Finding((path,), text))
    left = len(survey.photos) - len(judged.positions)
    notes = [f"{left} photos of small classes were not judged"] if left else []
    num_seen = sum(map(survey.model.was_trained, survey.hashes))
    if num_seen:
        notes.append(
            f"CAREFUL: {survey.model.name} was trained on {num_seen} of these photos, so it may "
            "hold their labels for right; without --bundle, features are used that saw no label"
        )
    return Found(tuple(doubts), "; ".join(notes))


ENTRY = Check(
    80, "doubtful labels", "other photos speak for another class; hard photos, too: look",
    find_wrong_labels,
)  # fmt: skip
