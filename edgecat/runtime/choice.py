"""Which of a bundle's variants runs here, open and tried."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecat.bundle.store import Bundle
from edgecat.errors import EngineError
from edgecat.runtime.engine import Engine, open_model
from edgecat.runtime.target import detect_target


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
    target = detect_target(bundle.spec.targets)
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
    files = _Files(bundle, chosen.files)
    engine = open_model(chosen, files, threads, power_save=power_save)
    try:
        _try_out(engine, bundle)
    except EngineError:
        engine.close()
        raise
    return engine


class _Files(Sequence[bytes]):
    """A variant's files, each read when an engine asks for it: none is held for longer than that.

    Weights that ncnn has a copy of were a tenth of what a process took at most.
    """

    def __init__(self, bundle: Bundle, names: Sequence[str]) -> None:
        """Read nothing yet."""
        self._bundle, self._names = bundle, names

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._names)

    def __getitem__(self, place: Any) -> Any:
        """Return the bytes of one, checked.

        Raises:
            BundleError: It is missing or changed.
        """
        return self._bundle.read(self._names[place])


def _try_out(engine: Engine, bundle: Bundle) -> None:
    """Let an engine answer a black picture: the first answer is slower than the others.

    Raises:
        EngineError: It answers otherwise than the manifest says.
    """
    where, shape = f"{bundle.path}: {engine.name}", (1, *bundle.spec.input.shape)
    blank = np.zeros(shape, np.uint8)
    try:
        logits = engine.run(blank)
        if bundle.spec.ood is not None:
            engine.run_with_features(blank)
    except EngineError:
        raise
    except Exception as error:  # the engines' exceptions share no public base class
        reason = str(error).partition("\n")[0]
        raise EngineError(
            f"{where} does not answer a uint8 {list(shape)} ({reason}); export it again"
        ) from error
    if logits.shape != (1, len(bundle.spec.labels)):
        raise EngineError(
            f"{where} answers {list(logits.shape)}, but the bundle has {len(bundle.spec.labels)} "
            "labels; export it again"
        )
