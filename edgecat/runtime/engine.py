"""What every inference engine offers; each stands in a file of `edgecat.runtime.engines`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from edgecat.bundle.manifest import Variant
from edgecat.errors import ConfigError, EngineError
from edgecat.machine.cores import MAX_THREADS, count_threads
from edgecat.registry import Registry
from edgecat.runtime.device import CPU, Devices, Resources
from edgecat.runtime.precision import Precision

if TYPE_CHECKING:  # what is known of an engine is asked for where nothing may be loaded
    from edgecat.photos.pixels import Pixels
    from edgecat.scores.heat import FeatureMap
    from edgecat.scores.metrics import Logits
    from edgecat.scores.ood import Features


class Engine(Protocol):
    """A loaded model: few members, so that a test needs ten lines to fake one."""

    name: str

    def run(self, batch: "Pixels") -> "Logits":
        """Return float32 logits `[N, K]`; may be called from several threads at once.

        Args:
            batch: uint8 `[N, H, W, 3]`, RGB, 0-255, any N from 1; H and W are the model's.
        """

    def run_with_features(self, batch: "Pixels") -> "tuple[Logits, Features]":
        """Return float32 logits `[N, K]` and what the classifier read, float32 `[N, F]`.

        Args:
            batch: As for `run`. The model must have both outputs.
        """

    def describe(self) -> dict[str, Any]:
        """Return the library's "version", "threads" and the "effective_precision" it reports.

        And "device", where it is another one than the CPU.
        """

    def close(self) -> None:
        """Give the model's memory back."""


@runtime_checkable
class MapEngine(Protocol):
    """What an engine may offer besides, so that answers can be explained."""

    def run_with_map(self, batch: "Pixels") -> "tuple[Logits, Features, FeatureMap]":
        """Return logits, features and what these are the mean of, float32 `[N, F, h, w]`.

        What it takes more than `run_with_features` is prepared when it is called first.

        Args:
            batch: As for `Engine.run`. The model must have both outputs.
        """


@dataclasses.dataclass(frozen=True)
class KnownFault:
    """A version of an engine's library that does not work on some machines.

    Attributes:
        version: Of the library.
        machine: The architecture, as `uname -m` says it.
        what: Happens, and where that is known from.
    """

    version: str
    machine: str
    what: str


@dataclasses.dataclass(frozen=True)
class EngineEntry:
    """What is known of an engine before a model is opened.

    Attributes:
        title: As its makers write it: "OpenVINO".
        package: Its library, as distribution and as module.
        requirement: What to `pip install` to have it.
        open: Opens a variant's files, the graph first. Raises `EngineError` where the library is
            not installed, the processor or device cannot compute so, or the model is refused.
        precisions: What its models may compute in, the exact one first.
        offers: Whether it computes so on this processor.
        devices: What it computes on beside the CPU; None for nothing.
        is_reference: Whether it runs the exported graph as it is. One engine does: graphs are
            checked with it, and other variants are measured against it.
        measured_on: By the name of a precision, the only families of targets that it was measured
            on, but for the machine that exports; what is not named here was measured on all.
        instruction_ratios: By the family of targets and the name of a precision, the instructions
            of a photo by those of the reference engine's exact variant, where these were counted
            on emulated processors: a rule, not a latency. Of several processors, the most.
        min_glibc: By architecture, the C library that its wheels need where that is newer than what
            all others need.
        faults: Versions to keep away from.
    """

    title: str
    package: str
    requirement: str
    open: Callable[[Variant, Sequence[bytes], Resources], Engine]
    precisions: tuple[Precision, ...]
    offers: Callable[[Precision], bool] = lambda precision: True
    devices: Devices | None = None
    is_reference: bool = False
    measured_on: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    instruction_ratios: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    min_glibc: Mapping[str, str] = dataclasses.field(default_factory=dict)
    faults: tuple[KnownFault, ...] = ()


#: By name, the first half of a variant's name.
ENGINES: Registry[EngineEntry] = Registry("edgecat.runtime.engines", "engine")


def find_engine(variant: Variant) -> EngineEntry:
    """Return the engine that a variant is for.

    Raises:
        EngineError: This edgecat does not know it.
    """
    try:
        return ENGINES.load(variant.engine)
    except ConfigError as error:
        raise EngineError(
            f"{variant.name}: {error}; choose another --variant, or install a newer edgecat"
        ) from error


def find_precision(variant: Variant) -> Precision:
    """Return what a variant computes in.

    Raises:
        EngineError: This edgecat does not know its engine, or the engine does not compute so.
    """
    known = {precision.name: precision for precision in find_engine(variant).precisions}
    if variant.precision not in known:
        raise EngineError(
            f"{variant.name}: {variant.engine} computes in {', '.join(known)} here; choose another "
            "--variant, or install a newer edgecat"
        )
    return known[variant.precision]


def runs_here(variant: Variant) -> bool:
    """Return whether this processor computes as a variant does.

    Raises:
        EngineError: This edgecat does not know its engine, or the engine does not compute so.
    """
    return find_engine(variant).offers(find_precision(variant))


def exact_name(variant: Variant) -> str:
    """Return the name of the same engine's exact variant, which may be this one.

    Raises:
        EngineError: This edgecat does not know the engine.
    """
    return f"{variant.engine}-{find_engine(variant).precisions[0].name}"


def open_model(
    variant: Variant,
    files: Sequence[bytes],
    threads: int | None = None,
    *,
    power_save: bool = False,
    device: str = CPU,
) -> Engine:
    """Open model files that are in memory; every answer is checked (`CheckedEngine`).

    Args:
        variant: Whose files they are.
        files: The graph first.
        threads: How many to compute with; None for as many as pay off here.
        power_save: Threads that wait for work sleep, instead of asking for it in a loop.
        device: What to compute on.

    Raises:
        BundleError: The model takes numbers from a file that is not given here.
        EngineError: The engine is not known or not installed, has no such device, or refuses the
            model.
        ConfigError: `threads` is none that are accepted, or nobody knows the device.
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise ConfigError(f"--threads {threads}: must be at least 1, and at most {MAX_THREADS}")
    from edgecat.runtime.checked import CheckedEngine

    find_precision(variant)
    check_device([variant], device)
    resources = Resources(threads or count_threads(), power_save, device)
    return CheckedEngine(find_engine(variant).open(variant, files, resources))


def check_device(variants: Sequence[Variant], device: str) -> None:
    """Refuse a device that none of the variants' engines has.

    Args:
        variants: That may be opened; of some of them the engine may be unknown.
        device: What to compute on.

    Raises:
        ConfigError: It is known to none of the engines that have devices.
        EngineError: None of the engines has devices, or it is not there.
    """
    if device == CPU:
        return
    devices = [found for variant in variants if (found := _find_devices(variant)) is not None]
    if not devices:
        able = [entry for entry in ENGINES.load_all().values() if entry.devices is not None]
        names = ", ".join(variant.name for variant in variants)
        raise EngineError(
            f"--device {device}: {names}: computes on the {CPU} only; leave --device out, or take "
            f"a --variant of {' or '.join(entry.title for entry in able)}, if the bundle has one"
        )
    for found in dict.fromkeys(devices):
        found.check(device)


def _find_devices(variant: Variant) -> Devices | None:
    return ENGINES.load(variant.engine).devices if variant.engine in ENGINES else None


def has_devices(variant: Variant) -> bool:
    """Return whether a variant's engine computes on other devices than the CPU."""
    return _find_devices(variant) is not None


def find_tolerance(variant: Variant, device: str = CPU) -> float:
    """Return how far a logit of a variant may be from that of the machine that exported it.

    Args:
        variant: Whose.
        device: Of this machine; one that computes floats in fewer bits is given as much more.

    Raises:
        EngineError: The engine is not known, or cannot compute so there.
    """
    precision, devices = find_precision(variant), _find_devices(variant)
    if device == CPU or devices is None:
        return precision.logit_tolerance
    floats = devices.floats(precision, device)
    return max(precision.logit_tolerance, floats.logit_tolerance)


def describe_no_features(name: str) -> str:
    """Return the message for a variant that has only logits."""
    return f"{name}: tells no features; export the run again with this edgecat"


def describe_no_map(name: str, reason: str) -> str:
    """Return the message for a variant whose features are no mean of a map."""
    return (
        f"{name}: has no map to explain its answers by ({reason}); export a network whose head "
        "reads the mean of its last map"
    )


def run_with_map(engine: Engine, batch: "Pixels") -> "tuple[Logits, Features, FeatureMap]":
    """Return what `MapEngine.run_with_map` does.

    Raises:
        EngineError: The engine does not offer it, or the model's features are no mean of a map.
    """
    if not isinstance(engine, MapEngine):
        raise EngineError(
            f"{engine.name}: this engine tells no feature map, so its answers cannot be explained; "
            "choose another --variant"
        )
    return engine.run_with_map(batch)


def reference_name() -> str:
    """Return the name of the variant that all others are measured against."""
    engines = ENGINES.load_all().items()
    return next(
        f"{name}-{entry.precisions[0].name}" for name, entry in engines if entry.is_reference
    )


def open_graph(graph: bytes, threads: int | None = None) -> Engine:
    """Open an exported graph as it is, in the reference engine.

    Args:
        graph: An ONNX file that takes uint8 `[N, H, W, 3]`, RGB.
        threads: As for `open_model`.

    Raises:
        EngineError: The engine refuses it.
    """
    return open_model(Variant(reference_name(), ("model.onnx",)), [graph], threads)
