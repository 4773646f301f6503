"""OpenVINO, on the CPU or on another device that it has here."""

import io
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgecat.bundle.manifest import Variant
from edgecat.errors import EngineError, describe_failure
from edgecat.runtime.device import CPU, Resources
from edgecat.runtime.engine import (
    EngineEntry,
    describe_no_features,
    describe_no_map,
    find_precision,
)
from edgecat.runtime.library import importing
from edgecat.runtime.openvino_cache import prepare_cache
from edgecat.runtime.openvino_devices import DEVICES, choose_settings, find_floats, open_core
from edgecat.runtime.operators import NUM_UNTIMED_RUNS, OperatorTime
from edgecat.runtime.precision import BF16, FP16, FP32, INT8, INT8_BF16, Precision

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgecat.photos.pixels import Pixels
    from edgecat.scores.heat import FeatureMap
    from edgecat.scores.metrics import Logits
    from edgecat.scores.ood import Features

# A batch dimension that is left open.
_ANY = -1

# How OpenVINO's own form starts. It would open other forms, too: ONNX, with weights from files in
# the process's current directory. With XML it takes them from memory alone.
_XML = b"<?xml "

# Layers that multiply: their precision is what "the model runs in int8" means.
_MULTIPLYING = ("Convolution", "FullyConnected", "MatMul", "Deconvolution")

# How OpenVINO calls what a model computes in where it is not integer.
_HINTS = {FP32: "f32", BF16: "bf16", FP16: "f16"}

# Operators that take the mean over height and width.
_MEANS = ("ReduceMean", "AvgPool")


class OpenVinoEngine:
    """A model in OpenVINO.

    Attributes:
        name: The variant's.
    """

    def __init__(self, variant: Variant, files: Sequence[bytes], resources: Resources) -> None:
        """Load a model.

        Args:
            variant: Of the engine "openvino".
            files: The IR's XML, then its weights.
            resources: To save power has no effect: OpenVINO's threads sleep as soon as there is no
                work (benchmarks/results/*/memory.json), and there is no property for it.

        Raises:
            EngineError: OpenVINO is not installed, refuses the model, or the device lacks bf16.
        """
        with importing(ENTRY):
            import openvino
        self.name = variant.name
        self._resources = resources
        self._running = threading.Lock()
        self._version = openvino.__version__
        self._core = core = open_core()
        # Without a hint OpenVINO computes float models in bf16 or f16 where the CPU has it.
        self._floats = find_floats(find_precision(variant), resources.device)
        # What a CPU compiles in a moment is not worth the disk.
        self._cache = None if resources.device == CPU else prepare_cache()
        try:
            graph, weights = _check_graph(files[0]), files[1]
            self._model = core.read_model(io.BytesIO(graph), io.BytesIO(weights))
            self._requests = {(1, False): self._compile(1)}
        except (RuntimeError, IndexError, TypeError, OSError) as error:
            raise EngineError(
                f"{variant.name}: OpenVINO {self._version} refuses the model "
                f"({describe_failure(error)}); export it again, or install another version"
            ) from error

    def run(self, batch: "Pixels") -> "Logits":
        """Return float32 logits `[N, K]` for uint8 `[N, H, W, 3]`, RGB.

        Raises:
            RuntimeError: The photos are of another type or size.
        """
        return self._outputs(batch, 1)[0]

    def run_with_features(self, batch: "Pixels") -> "tuple[Logits, Features]":
        """Return float32 logits `[N, K]` and features `[N, F]` for uint8 `[N, H, W, 3]`.

        Raises:
            EngineError: The model has no features.
            RuntimeError: As `run`.
        """
        if len(self._model.outputs) < 2:
            raise EngineError(describe_no_features(self.name))
        logits, features = self._outputs(batch, 2)
        return logits, features

    def run_with_map(self, batch: "Pixels") -> "tuple[Logits, Features, FeatureMap]":
        """Return logits, features and the map whose mean these are, float32 `[N, F, h, w]`.

        Raises:
            EngineError: They are no mean of a map.
            RuntimeError: As `run`.
        """
        logits, features, feature_map = self._outputs(batch, 3)
        return logits, features, feature_map

    def describe(self) -> dict[str, Any]:
        """Return version, threads and the precision of the compiled layers that multiply."""
        model = self._requests[1, False].get_compiled_model()
        found = {
            "version": self._version.split("-")[0],
            "threads": self._resources.threads,
            "effective_precision": _describe_layers(_count_precisions(model)) or self._floats.name,
        }
        if self._resources.device != CPU:
            found["device"] = ", ".join(model.get_property("EXECUTION_DEVICES"))
        return found

    def profile(self, photo: "Pixels", num_runs: int) -> tuple[OperatorTime, ...]:
        """Return the time of each operator, as OpenVINO counts it."""
        request = self._compile(1, counts=True)
        times: dict[str, list[float]] = {}
        kinds = {}
        for run in range(-NUM_UNTIMED_RUNS, num_runs):
            request.infer([photo], share_inputs=True)
            if run < 0:
                continue
            for found in request.get_profiling_info():
                times.setdefault(found.node_name, []).append(1e6 * found.real_time.total_seconds())
                kinds[found.node_name] = found.node_type, found.exec_type.rpartition("_")[2]
        return tuple(OperatorTime(name, *kinds[name], tuple(times[name])) for name in times)

    def close(self) -> None:
        """Give the model's memory back."""
        self._requests.clear()
        self._model = None

    def _outputs(self, batch: "Pixels", num_outputs: int) -> "list[npt.NDArray[np.float32]]":
        import numpy as np
        from openvino import Tensor

        if len(batch) > 1 and self._resources.device != CPU:  # an NPU takes no batch of any size
            found = [self._outputs(batch[i : i + 1], num_outputs) for i in range(len(batch))]
            return [np.concatenate(parts) for parts in zip(*found, strict=True)]
        size, with_map = 1 if len(batch) == 1 else _ANY, num_outputs > 2
        # Two threads in one request would get each other's answers.
        with self._running:
            if (size, with_map) not in self._requests:
                self._requests[size, with_map] = self._compile(size, with_map=with_map)
            request = self._requests[size, with_map]
            # A tensor and no array, at which OpenVINO's Python would look first
            # (benchmarks/results/*/openvino_input.json). It is no copy, and the request keeps it:
            # each call sets its own, whose pixels live until there is an answer. OpenVINO takes
            # only memory that it could write to.
            pixels = np.require(batch, requirements=["C_CONTIGUOUS", "WRITEABLE"])
            request.set_input_tensor(Tensor(pixels, shared_memory=True))
            request.infer(share_outputs=True)
            # Copies: the request's own tensors are overwritten by the next call.
            tensors = [request.get_output_tensor(i).data for i in range(num_outputs)]
            return [np.array(tensor, np.float32) for tensor in tensors]

    def _compile(self, size: int, *, with_map: bool = False, counts: bool = False) -> Any:
        """Compile for batches of a size.

        Single photos, what a device answers, get a model of their own: with a batch of any size
        OpenVINO plans less ahead and is slower.
        """
        model = self._model.clone()
        if with_map:
            model.add_outputs([self._find_map(model)])
        model.reshape([size, *list(model.input().get_partial_shape())[1:]])
        device = self._resources.device
        settings = choose_settings(device, {
            "INFERENCE_PRECISION_HINT": _HINTS[self._floats],
            "INFERENCE_NUM_THREADS": str(self._resources.threads),
            "NUM_STREAMS": "1",
            "PERF_COUNT": "YES" if counts else "NO",
        })  # fmt: skip
        if self._cache is not None:
            settings["CACHE_DIR"] = str(self._cache)
        return self._core.compile_model(model, device, settings).create_infer_request()

    def _find_map(self, model: Any) -> Any:
        """Return the output of the operator whose mean over height and width the features are.

        Raises:
            EngineError: They are no such mean.
        """
        operator = model.outputs[-1].get_node()
        while operator.get_type_name() not in _MEANS:
            if not operator.inputs() or operator.get_type_name() in _MULTIPLYING:
                reason = f"its features are the result of a {operator.get_type_name()}"
                raise EngineError(describe_no_map(self.name, reason))
            operator = operator.input_value(0).get_node()
        return operator.input_value(0)


def _check_graph(graph: bytes) -> bytes:
    """Return a graph that is OpenVINO's own.

    Raises:
        OSError: It is no XML.
    """
    if not graph.startswith(_XML):
        raise OSError("the graph is no XML as OpenVINO writes it")
    return graph


def _count_precisions(model: Any) -> Counter[str]:
    """Return how many layers that multiply compute in what; none where the device does not tell."""
    try:
        facts = [node.get_rt_info() for node in model.get_runtime_model().get_ops()]
    except RuntimeError:
        return Counter()
    return Counter(
        str(each["runtimePrecision"].astype(str))
        for each in facts
        if each["layerType"].astype(str) in _MULTIPLYING
    )


def _describe_layers(precisions: Counter[str]) -> str:
    """Return "fp32", or "int8+bf16 (34 of 54 convolutions and matrix products)"."""
    total = precisions.total()
    num_int8 = precisions.pop("i8", 0) + precisions.pop("u8", 0)
    floats = precisions.most_common(1)[0][0].replace("f32", "fp32") if precisions else ""
    if not num_int8:
        return floats
    name = "int8" if floats in ("", "fp32") else f"int8+{floats}"
    return f"{name} ({num_int8} of {total} convolutions and matrix products)"


def _offers(precision: Precision) -> bool:
    try:
        find_floats(precision, CPU)
    except EngineError:
        return False
    return True


ENTRY = EngineEntry(
    title="OpenVINO",
    package="openvino",
    requirement="edgecat[openvino]",
    open=OpenVinoEngine,
    precisions=(FP32, BF16, INT8, INT8_BF16),
    offers=_offers,
    devices=DEVICES,
    measured_on={INT8.name: ("x86",)},
    # Source: the tags of its wheels, of 2026: manylinux_2_35 for 64-bit Arm.
    min_glibc={"aarch64": "2.35"},
)
