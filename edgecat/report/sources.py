"""What a report is made of: a run, a bundle, results of `edgecat benchmark`, in any combination."""

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from edgecat.bench.report import Report
from edgecat.bench.results import load_report
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import MANIFEST, Bundle, load_bundle, released_names
from edgecat.errors import ConfigError
from edgecat.train.history import History, read_metrics
from edgecat.train.run import MODEL, RECORD, RunRecord, load_run
from edgecat.typed import command_line

# Of a run, as its bundle tells them.
_SAME = ("arch", "labels", "input")
# And as its provenance does.
_TOLD = ("seed", "data_sha256")


@dataclasses.dataclass(frozen=True)
class Run:
    """A fine-tuning run, finished or not.

    Attributes:
        path: Its folder.
        record: What was asked, what came out.
        history: Its epochs.
    """

    path: Path
    record: RunRecord
    history: History

    @property
    def has_network(self) -> bool:
        """Return whether it has finished, and its weights are still beside its records."""
        return self.record.outcome is not None and (self.path / MODEL).is_file()


_Source = TypeVar("_Source", Run, Bundle)


@dataclasses.dataclass(frozen=True)
class Sources:
    """Everything that was given; at least one thing.

    Attributes:
        run: If one was.
        bundle: The same; if both, it was exported from the run.
        results: Of benchmarks, of this bundle or of others.
    """

    run: Run | None
    bundle: Bundle | None
    results: tuple[Report, ...]


def load_sources(names: Sequence[str]) -> Sources:
    """Read what a report is made of.

    Args:
        names: Folders of a run or a bundle, a released model's name, results of
            `edgecat benchmark --json`; at most one run and one bundle.

    Raises:
        ConfigError: None of these, two runs or bundles, a bundle of another run, or results that
            do not read.
        TrainError: A damaged run.
        BundleError: A damaged bundle.
    """
    runs, bundles, results = [], [], []
    for name in names:
        path = Path(name)
        if (path / RECORD).is_file():
            runs.append(Run(path, load_run(path), read_metrics(path)))
        elif (path / MANIFEST).is_file() or (name in released_names() and not path.exists()):
            bundles.append(load_bundle(name))
        elif _is_object(path):
            results.append(load_report(path))
        else:
            raise ConfigError(_describe_stranger(name, path))
    run, bundle = _only("run", runs), _only("bundle", bundles)
    if run is None and bundle is None and not results:
        raise ConfigError("nothing to report: give a run, a bundle or a benchmark's result")
    if run is not None and bundle is not None:
        _check_same(run, bundle)
    return Sources(run, bundle, tuple(results))


def _is_object(path: Path) -> bool:
    """Return whether a file begins as JSON of named values does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) == b"{"


def _describe_stranger(name: str, path: Path) -> str:
    found = "no such file"
    if path.is_dir():
        found = f"neither {RECORD} nor {MANIFEST} is in it"
    elif path.exists():
        found = "not JSON"
        if zipfile.is_zipfile(path):
            unpack = command_line("bundle", "unpack", path, "--out", "BUNDLE")
            found = f"a zip file; if it is a packed bundle, unpack it: {unpack}"
    return (
        f"{name}: {found}; give the folder of a run (edgecat finetune) or of a bundle (edgecat "
        f"export), a released model's name ({', '.join(released_names()) or 'none here'}), or a "
        "file of 'edgecat benchmark BUNDLE --json FILE'"
    )


def _only(kind: str, found: Sequence[_Source]) -> _Source | None:
    """Return what there is, None where there is nothing.

    Raises:
        ConfigError: There are several.
    """
    if len(found) > 1:
        paths = ", ".join(str(each.path) for each in found)
        raise ConfigError(
            f"{paths}: a report is of one {kind}; make one for each, and compare bundles by giving "
            "their results of edgecat benchmark"
        )
    return found[0] if found else None


def _check_same(run: Run, bundle: Bundle) -> None:
    """Refuse a run and a bundle that are not of the same model.

    Raises:
        ConfigError: They differ in what an export copies from one to the other.
    """
    differing = [*_list_differing(run.record, bundle.spec)]
    if differing:
        raise ConfigError(
            f"{bundle.name}: not exported from {run.path}: {', '.join(differing)} differ; make a "
            "report of each alone, or export the run again"
        )


def _list_differing(record: RunRecord, spec: ModelSpec) -> list[str]:
    origin = spec.provenance
    # What an older edgecat did not tell cannot differ.
    told = {name: getattr(spec, name) for name in _SAME}
    told |= {name: origin[name] for name in _TOLD if name in origin}
    differing = [name for name, value in told.items() if value != getattr(record, name)]
    recipe, told_recipe = dataclasses.asdict(record.recipe), origin.get("recipe")
    if isinstance(told_recipe, Mapping):
        differing += [f"recipe's {k}" for k, v in told_recipe.items() if recipe.get(k, v) != v]
    return differing
