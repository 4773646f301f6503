"""What every inference engine offers, and how one is opened by a variant's name."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import Bundle
from edgecat.errors import ConfigError, EngineError
from edgecat.machine.cores import count_threads
from edgecat.machine.cpu import detect_target
from edgecat.photos.input import INPUT
from edgecat.photos.pixels import Pixels
from edgecat.runtime.checked import CheckedEngine
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features


class Engine(Protocol):
    """A loaded model: few members, so that a test needs ten lines to fake one."""

    name: str

    def run(self, batch: Pixels) -> Logits:
        """Return float32 logits `[N, K]`; may be called from several threads at once.

        Args:
            batch: uint8 `[N, 224, 224, 3]`, RGB, 0-255, any N from 1.
        """

    def run_with_features(self, batch: Pixels) -> tuple[Logits, Features]:
        """Return float32 logits `[N, K]` and what the classifier read, float32 `[N, F]`.

        Args:
            batch: As for `run`. The model must have both outputs.
        """

    def describe(self) -> dict[str, Any]:
        """Return the library's "version", "threads" and the "effective_precision" it reports."""

    def close(self) -> None:
        """Give the model's memory back."""


# The module of each engine has a class of this name; only the one in use is imported.
_ENGINES = {
    "onnxruntime": ("edgecat.runtime.engines.onnxruntime", "OnnxRuntimeEngine"),
    "openvino": ("edgecat.runtime.engines.openvino", "OpenVinoEngine"),
}

# The first answer is slower than the others: it is given to a black picture, at open.
_BLANK = np.zeros((1, INPUT.side_px, INPUT.side_px, 3), np.uint8)


def open_engine(
    bundle: Bundle,
    variant: str | None = None,
    threads: int | None = None,
    *,
    power_save: bool = False,
) -> Engine:
    """Open a variant of a bundle.

    Args:
        bundle: Verified.
        variant: One of its variants' names; None for the fastest that the bundle's verdicts
            recommend for this processor and whose engine is installed.
        threads: How many to compute with; None for one per core that this process may use.
        power_save: Threads that wait for work sleep, instead of asking for it in a loop.

    Raises:
        BundleError: The bundle has no such variant, a file was changed meanwhile, or the model
            takes numbers from a file outside of the bundle.
        EngineError: The engine is not installed, or refuses the model.
        ConfigError: `threads` is below 1.
    """
    if variant is not None:
        return _open_variant(bundle, variant, threads, power_save)
    target = detect_target()
    refusals = []
    for name in bundle.spec.preferred_variants(target):
        try:
            return _open_variant(bundle, name, threads, power_save)
        except EngineError as error:
            refusals.append(str(error))
    names = ", ".join(item.name for item in bundle.spec.variants)
    raise EngineError(
        "; ".join(refusals)
        or f"{bundle.path}: none of its variants is worth running on this processor ({target}); "
        f"choose one with --variant: {names}"
    )


def _open_variant(bundle: Bundle, variant: str, threads: int | None, power_save: bool) -> Engine:
    chosen = bundle.spec.variant(variant)
    files = [bundle.read(file) for file in chosen.files]
    engine = open_model(chosen, files, threads, power_save=power_save)
    try:
        outputs = engine.run(_BLANK)
        if bundle.spec.ood is not None:
            engine.run_with_features(_BLANK)
    except EngineError:
        engine.close()
        raise
    except Exception as error:  # the engines' exceptions share no public base class
        engine.close()
        raise EngineError(
            f"{bundle.path}: {variant} does not answer a uint8 [1, 224, 224, 3] "
            f"({error}); export it again"
        ) from error
    wanted = (1, len(bundle.spec.labels))
    if outputs.shape != wanted:
        engine.close()
        raise EngineError(
            f"{bundle.path}: {variant} answers {list(outputs.shape)}, but the bundle has "
            f"{wanted[1]} labels; export it again"
        )
    return engine


def open_model(
    variant: Variant,
    files: Sequence[bytes],
    threads: int | None = None,
    *,
    power_save: bool = False,
) -> Engine:
    """Open model files that are in memory; every answer is checked (`CheckedEngine`).

    Args:
        variant: Whose files they are.
        files: The graph first.
        threads: How many to compute with; None for one per core that this process may use.
        power_save: Threads that wait for work sleep, instead of asking for it in a loop.

    Raises:
        BundleError: The model takes numbers from a file that is not given here.
        EngineError: The engine is not installed, or refuses the model.
        ConfigError: `threads` is below 1.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"--threads {threads}: must be at least 1")
    module, name = _ENGINES[variant.engine]
    engine: Engine = getattr(importlib.import_module(module), name)(
        variant, files, threads or count_threads(), power_save
    )
    return CheckedEngine(engine)
