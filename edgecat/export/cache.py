"""What an export made, kept in the run, so that a killed export goes on where it stopped.

Kept is what takes long: the graph, its calibration and every recipe tried. A proof is given anew
by each process that writes a bundle, and so are the verdicts and the scores on the test photos.

RUN/cache/STAGE-INPUTS.safetensors   a stage's result; INPUTS: 16 hex digits of what it came from

An entry counts only if its checksum holds and it came from the very same inputs, code, libraries
and machine. When a stage's result is written, its others go: one entry a stage, at most.
"""

import contextlib
import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from edgecat import atomic
from edgecat.bench.host import describe_host
from edgecat.errors import ExportError, StorageError
from edgecat.export.entry import Entry, hash_parts, read_entry, write_entry
from edgecat.export.maker import list_packages
from edgecat.progress import Progress
from edgecat.strict import build

#: The folder in a run.
CACHE = "cache"

#: To be raised with every change of the code that changes what a stage makes of its inputs.
CACHE_VERSION = 5

# What computes, and so decides the last bits of a result or the time that it takes.
_PACKAGES = ("edgecat", "numpy", "onnx", "torch", "torchvision")


class Result(Protocol):
    """What can be kept: a frozen dataclass of files and of what `edgecat.strict.build` reads."""

    @property
    def files(self) -> tuple[bytes, ...]:
        """Return the large part."""


T = TypeVar("T", bound=Result)


def describe_setting() -> dict[str, Any]:
    """Return what every stage's result depends on, beside the run and what was asked.

    The machine is part of it: latencies hold for one processor only, and the last bits of a sum
    depend on its instructions and the number of threads.
    """
    host = describe_host()
    names = ("cpu", "machine", "features", "num_usable_cores", "python")
    return {
        "version of the cache": CACHE_VERSION,
        **{name: version(name) for name in (*_PACKAGES, *list_packages())},
        **{name: host[name] for name in names},
        "torch's threads": torch.get_num_threads(),
    }


@dataclasses.dataclass(frozen=True)
class StageCache:
    """Results of stages, by what they came from.

    Attributes:
        folder: Of the entries; made when the first one is written.
        setting: Inputs of every stage, as `describe_setting` returns them.
        progress: Told of each entry that is taken, and of each that cannot be.
    """

    folder: Path
    setting: Mapping[str, Any]
    progress: Progress

    def recall(
        self, stage: str, inputs: Mapping[str, Any], kind: type[T], make: Callable[[], T]
    ) -> T:
        """Return a stage's result: the one that is kept, or else a new one, which is kept then.

        Args:
            stage: Its name, for people.
            inputs: Everything that decides the result: plain values, by names for people.
            kind: The result's class.
            make: Returns a new one.
        """
        text = json.dumps({**self.setting, **inputs}, sort_keys=True)
        file = self.folder / f"{_slug(stage)}-{hash_parts([text.encode()])[:16]}.safetensors"
        known = json.loads(text)  # as an entry has them: lists, no tuples
        try:
            result = self._take(file, known, kind)
        except FileNotFoundError:
            self._explain(stage, known)
        except ExportError as error:
            self.progress.say(f"{stage}: made again; {file}: {error}")
        else:
            self.progress.say(f"{stage}: taken from the cache")
            return result
        result = make()
        self._keep(stage, file, Entry(known, _plain_values(result), result.files))
        return result

    def _take(self, file: Path, inputs: dict[str, Any], kind: type[T]) -> T:
        """Read a result.

        Raises:
            FileNotFoundError: It is not kept.
            ExportError: The file is damaged, or not what its name says.
        """
        entry = read_entry(file)
        if entry.inputs != inputs:
            raise ExportError(f"from other inputs: {_differences(entry.inputs, inputs)}")
        return build(kind, {**entry.values, "files": entry.files}, "its values", ExportError)

    def _explain(self, stage: str, inputs: dict[str, Any]) -> None:
        """Say in what the results that are kept differ from the one that is not."""
        for file in self._entries(stage):
            try:
                reason = f"other inputs: {_differences(read_entry(file).inputs, inputs)}"
            except (FileNotFoundError, ExportError) as error:
                reason = str(error)
            self.progress.say(f"{stage}: made again; {file}: {reason}")

    def _keep(self, stage: str, file: Path, entry: Entry) -> None:
        try:
            with atomic.storage_errors(file):
                self.folder.mkdir(exist_ok=True)
            write_entry(entry, file)
            for other in self._entries(stage):
                if other != file:
                    with contextlib.suppress(OSError):  # another export was quicker
                        other.unlink()
        except (StorageError, OSError) as error:
            self.progress.say(f"{stage}: not kept for another export: {error}")

    def _entries(self, stage: str) -> list[Path]:
        return sorted(self.folder.glob(f"{_slug(stage)}-{'[0-9a-f]' * 16}.safetensors"))


def _slug(stage: str) -> str:
    return re.sub("[^a-z0-9]+", "-", stage.lower())


def _plain_values(result: Any) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(result).items() if name != "files"}


def _differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    names = {*kept, *wanted}
    return ", ".join(sorted(name for name in names if kept.get(name) != wanted.get(name)))
