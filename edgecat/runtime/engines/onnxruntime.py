"""ONNX Runtime on the CPU."""

import functools
import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecat.bundle.manifest import Variant
from edgecat.bundle.onnx_file import names_other_files
from edgecat.errors import BundleError, EngineError, StorageError, describe_failure
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import EngineEntry, KnownFault, describe_no_features, describe_no_map
from edgecat.runtime.library import importing
from edgecat.runtime.operators import NUM_UNTIMED_RUNS, OperatorTime
from edgecat.runtime.precision import FP32, INT8

if TYPE_CHECKING:
    from edgecat.photos.pixels import Pixels
    from edgecat.scores.heat import FeatureMap
    from edgecat.scores.metrics import Logits
    from edgecat.scores.ood import Features


def import_onnxruntime() -> Any:
    """Return the library; what it would report of its use to its maker is switched off.

    Source: onnxruntime/Privacy.md: official builds report unless this is set before the import.

    Raises:
        EngineError: It is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with importing(ENTRY):
        import onnxruntime
    return onnxruntime


class OnnxRuntimeEngine:
    """A model in ONNX Runtime's CPU provider.

    Attributes:
        name: The variant's.
    """

    def __init__(self, variant: Variant, files: Sequence[bytes], resources: Resources) -> None:
        """Load a model.

        Args:
            variant: Of the engine "onnxruntime".
            files: One ONNX file.
            resources: To save power, idle threads sleep. Otherwise they spin for a while after
                each photo.

        Raises:
            BundleError: The model takes numbers from another file.
            EngineError: ONNX Runtime is not installed, or refuses the model.
        """
        from edgecat.scores.ood import FEATURES_NAME

        onnxruntime = import_onnxruntime()
        self.name = variant.name
        self._threads, self._spins = resources.threads, not resources.power_save
        self._model = files[0]
        self._check_self_contained()
        self._session = self._open(onnxruntime.SessionOptions(), self._model)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        is_ours = [output.name for output in outputs[1:]] in ([], [FEATURES_NAME])
        kinds = [(each.type, list(map(type, each.shape[1:]))) for each in inputs]
        if kinds != [("tensor(uint8)", [int, int, int])] or not is_ours:
            raise EngineError(
                f"{variant.name}: takes {[(i.name, i.type, i.shape) for i in inputs]}; an edgecat "
                "model takes one uint8 [N, H, W, 3] of one size; export it again"
            )
        self._has_features = len(outputs) > 1
        self._input, self._shape = inputs[0].name, inputs[0].shape[1:]

    def run(self, batch: "Pixels") -> "Logits":
        """Return float32 logits `[N, K]` for uint8 `[N, H, W, 3]`, RGB."""
        logits: Logits = self._session.run(None, {self._input: batch})[0]
        return logits

    def run_with_features(self, batch: "Pixels") -> "tuple[Logits, Features]":
        """Return float32 logits `[N, K]` and features `[N, F]` for uint8 `[N, H, W, 3]`.

        Raises:
            EngineError: The model has no features.
        """
        if not self._has_features:
            raise EngineError(describe_no_features(self.name))
        logits, features = self._session.run(None, {self._input: batch})
        return logits, features

    def run_with_map(self, batch: "Pixels") -> "tuple[Logits, Features, FeatureMap]":
        """Return logits, features and the map whose mean these are, float32 `[N, F, h, w]`."""
        logits, features, feature_map = self._map_session.run(None, {self._input: batch})
        return logits, features, feature_map

    def describe(self) -> dict[str, Any]:
        """Return version, threads and what the multiplications really ran in.

        ONNX Runtime has no such property; its profiler tells which kernels ran, so a second
        session answers one black picture under it.
        """
        import numpy as np

        onnxruntime = import_onnxruntime()
        events = self._run_profiled(np.zeros((1, *self._shape), np.uint8), 1)
        kernels = Counter(
            "int8" if event["args"]["op_name"].startswith(("QLinear", "QGemm")) else "fp32"
            for event in events
            if event["args"]["op_name"].removeprefix("QLinear").removeprefix("Fused")
            in ("Conv", "Gemm", "MatMul", "QGemm")
        )
        return {
            "version": onnxruntime.__version__,
            "threads": self._threads,
            "effective_precision": _describe_kernels(kernels),
        }

    def profile(self, photo: "Pixels", num_runs: int) -> tuple[OperatorTime, ...]:
        """Return the time of each operator, as ONNX Runtime's profiler counts it."""
        times: dict[str, list[float]] = {}
        kinds = {}
        for event in self._run_profiled(photo, NUM_UNTIMED_RUNS + num_runs):
            name = event["name"].removesuffix("_kernel_time")
            times.setdefault(name, []).append(float(event["dur"]))
            kinds[name] = event["args"]["op_name"]
        return tuple(
            OperatorTime(name, kinds[name], "", tuple(found[-num_runs:]))
            for name, found in times.items()
        )

    def close(self) -> None:
        """Give the model's memory back."""
        self._session = None
        self.__dict__.pop("_map_session", None)

    @functools.cached_property
    def _map_session(self) -> Any:
        """The model once more, with the map as its third output.

        Raises:
            EngineError: Its features are no mean of a map.
        """
        from edgecat.bundle.onnx_graph import add_output, find_mean, read_graph
        from edgecat.scores.ood import FEATURES_NAME

        try:
            name = find_mean(read_graph(self._model), FEATURES_NAME)
        except ValueError as error:
            raise EngineError(describe_no_map(self.name, str(error))) from error
        options = import_onnxruntime().SessionOptions()
        return self._open(options, add_output(self._model, name))

    def _run_profiled(self, photo: "Pixels", num_runs: int) -> list[dict[str, Any]]:
        """Return what ONNX Runtime's profiler tells of the operators in a session of its own.

        Raises:
            StorageError: It tells it to a file, for which there was no room.
        """
        onnxruntime = import_onnxruntime()
        with tempfile.TemporaryDirectory() as folder:
            options = onnxruntime.SessionOptions()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._open(options, self._model)
            for _ in range(num_runs):
                session.run(None, {self._input: photo})
            told = Path(session.end_profiling())
            try:
                events = json.loads(told.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:  # it says nothing, and cuts the file off
                raise StorageError(
                    f"{tempfile.gettempdir()}: no room for what ONNX Runtime's profiler tells; "
                    "free some there, or let TMPDIR name another folder"
                ) from error
        return [
            event for event in events
            if event.get("cat") == "Node" and "op_name" in event.get("args", {})
        ]  # fmt: skip

    def _check_self_contained(self) -> None:
        try:
            is_alone = not names_other_files(self._model)
        except ValueError as error:
            raise EngineError(
                f"{self.name}: ONNX Runtime refuses the model (no ONNX: {error}); export it again"
            ) from error
        if not is_alone:
            raise BundleError(
                f"{self.name}: weights of the model lie in a file for which nothing in the bundle "
                "vouches; export it again"
            )

    def _open(self, options: Any, model: bytes) -> Any:
        onnxruntime = import_onnxruntime()
        # The form that was checked, and not ONNX Runtime's own, in which nobody has looked.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # Its memory arena stays on: without it a process ends up with as much or more after some
        # photos (benchmarks/results/*/memory.json).
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        if not self._spins:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # warnings about the graph are of no use to a user
        try:
            return onnxruntime.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it would try again, and print that to standard output
            )
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise EngineError(
                f"{self.name}: ONNX Runtime {onnxruntime.__version__} refuses the model "
                f"({describe_failure(error)}); export it again, or install another version"
            ) from error


def _describe_kernels(kernels: Counter[str]) -> str:
    """Return "fp32", or "int8 (52 of 54 convolutions and matrix products)"."""
    total = kernels.total()
    if not kernels["int8"]:
        return "fp32"
    return f"int8 ({kernels['int8']} of {total} convolutions and matrix products)"


ENTRY = EngineEntry(
    title="ONNX Runtime",
    package="onnxruntime",
    requirement="edgecat",
    open=OnnxRuntimeEngine,
    precisions=(FP32, INT8),
    is_reference=True,
    # Source: benchmarks/results/*/ncnn_pis.json.
    instruction_ratios={"aarch64": {FP32.name: 1.0, INT8.name: 0.52}},
    # Source: github.com/microsoft/onnxruntime/issues/23957: an illegal instruction on import, on a
    # Raspberry Pi 4 and other 64-bit Arm processors before Armv8.2.
    faults=(KnownFault("1.21.0", "aarch64", "crashes on a Raspberry Pi 4 (onnxruntime#23957)"),),
)
