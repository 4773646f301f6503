"""The list of photos that `edgecat finetune --list` takes, with what was left out and why."""

from edgecat.audit.report import Audit
from edgecat.photos.photo_list import format_path
from edgecat.progress import describe_count

# The check whose findings are kept: most are hard photos with the right label, and without them a
# model is no better. Source: benchmarks/results/*/audit_labels.json.
_DOUBTFUL = "label"


def format_list(audit: Audit) -> str:
    """Return a list of a data set's photos, for people to edit, too.

    Left out, as comments, is what learning can only lose by. Photos whose label is in doubt stand
    in it, first and with the reason, so that a person puts a # before those that are wrong.
    """
    why = {path: f.text for f in audit.findings() for path in f.left_out}
    doubtful = next(one.found.findings for one in audit.checked if one.name == _DOUBTFUL)
    doubts = {f.photos[0]: f.text for f in doubtful if f.photos[0] not in why}
    folder = audit.survey.folder
    kept = [path for path in map(folder.path_of, folder.photos) if path not in {*why, *doubts}]
    lines = [
        "# Photos to train on: edgecat finetune DATA --list THIS",
        "# A # before a path leaves the photo out; take it away to have the photo back.",
        f"#\n# {describe_count(len(doubts), 'label')} in doubt. Look, and put a # before what is "
        "wrong:",
    ]
    for path, text in doubts.items():
        lines += [f"# {format_text(text)}", format_path(path)]
    lines.append(f"#\n# {describe_count(len(why), 'photo')} left out:")
    for path, text in why.items():
        lines += [f"# {format_text(text)}", f"# {format_path(path)}"]
    lines += [f"#\n# {describe_count(len(kept), 'other')}:", *map(format_path, kept)]
    return "\n".join(lines) + "\n"


def format_text(text: str) -> str:
    """Return a text in one line, whatever names of files stand in it."""
    return format_path(" ".join(text.split()))
