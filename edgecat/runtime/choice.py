"""Which of a bundle's variants runs here, with how many threads; open and tried."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError, ConfigError, EngineError, SelfTestError
from edgecat.machine.cores import count_threads
from edgecat.progress import describe_count
from edgecat.runtime.device import CPU, name_on
from edgecat.runtime.engine import Engine, check_device, has_devices, open_model
from edgecat.runtime.target import detect_target
from edgecat.runtime.tuned import find_tuning
from edgecat.typed import command_line


@dataclasses.dataclass(frozen=True)
class AtMost:
    """As many threads as are best, up to a number."""

    threads: int


@dataclasses.dataclass(frozen=True)
class Choice:
    """What to open.

    Attributes:
        variant: One of the bundle's.
        threads: To compute with.
        origin: Who chose the variant: whoever asked for it; what `edgecat tune` measured on this
            machine; or a rule, made of what was measured where the bundle was exported.
        reason: The same in words.
        dropped: Why what was measured here does not count any more; "" if nothing was, or it does.
        device: To compute on.
    """

    variant: str
    threads: int
    origin: Literal["asked", "measured", "rule"]
    reason: str
    dropped: str = ""
    device: str = CPU

    def describe(self) -> str:
        """Return it as a line of text."""
        threads = describe_count(self.threads, "thread")
        dropped = f"; not by what was measured here: {self.dropped}" if self.dropped else ""
        return f"{name_on(self.variant, self.device)} with {threads}, {self.reason}{dropped}"

    @property
    def news(self) -> str:
        """Return a line for the log of a service where a tuning has, or had, a say; else ""."""
        is_news = self.origin == "measured" or self.dropped
        return f"answers come from {self.describe()}" if is_news else ""


def list_choices(
    bundle: Bundle,
    variant: str | None = None,
    threads: int | AtMost | None = None,
    device: str | None = None,
) -> Iterator[Choice]:
    """Yield what may be opened, the best first; nothing where nothing is worth running here.

    Args:
        bundle: Opened.
        variant: As for `open_engine`.
        threads: The same.
        device: The same.
    """
    most = threads if isinstance(threads, AtMost) else AtMost(count_threads())
    given = threads if isinstance(threads, int) else None
    ruled = most.threads if given is None else given
    place = device or CPU
    if variant is not None and given is not None:
        yield Choice(variant, given, "asked", "asked for", device=place)
        return
    found = find_tuning(bundle)
    if found.tuning is not None:
        fastest = found.tuning.find(variant, given, most.threads, device)
        if fastest is not None:
            yield Choice(
                fastest.variant,
                fastest.threads,
                "asked" if variant else "measured",
                f"{'asked for, threads ' if variant else ''}measured here on {found.tuning.date}",
                device=fastest.device,
            )
    if variant is not None:
        yield Choice(variant, ruled, "asked", "asked for", found.dropped, place)
        return
    target = detect_target(bundle.spec.targets)
    rule = (
        f"by the bundle's verdicts for {target}"
        if bundle.spec.targets
        else "the bundle has no verdicts"
    )
    for name in bundle.spec.preferred_variants(target):
        if place == CPU or has_devices(bundle.spec.variant(name)):
            yield Choice(name, ruled, "rule", rule, found.dropped, place)


def open_engine(
    bundle: Bundle,
    variant: str | None = None,
    threads: int | AtMost | None = None,
    *,
    device: str | None = None,
) -> Engine:
    """Open a variant of a bundle, as `open_choice` does."""
    return open_choice(bundle, variant, threads, device=device)[0]


def open_choice(
    bundle: Bundle,
    variant: str | None = None,
    threads: int | AtMost | None = None,
    *,
    power_save: bool = False,
    device: str | None = None,
) -> tuple[Engine, Choice]:
    """Open a variant of a bundle, and say why this one.

    Args:
        bundle: Opened.
        variant: One of its variants' names; None for the fastest: as `edgecat tune` measured it on
            this machine, or else of those that the bundle's verdicts recommend for this processor
            and whose engine is installed.
        threads: How many to compute with; None for as many as `edgecat tune` found the fastest, or
            else one per core that this process may use.
        power_save: Threads that wait for work sleep, instead of asking for it in a loop.
        device: What to compute on, such as "GPU"; None for where `edgecat tune` found it the
            fastest, or else the CPU. On another device than the CPU the bundle's golden photos are
            answered first.

    Raises:
        BundleError: The bundle has no such variant, a file was changed meanwhile or cannot be
            decompressed, or the model takes numbers from a file outside of the bundle.
        SelfTestError: The device answers otherwise than the machine that exported.
        EngineError: The engine is not installed, has no such device, or refuses the model.
        ConfigError: `threads` is below 1, or nobody knows the device.
    """
    device = None if device is None else device.upper()
    if device is not None:
        named = bundle.spec.variants if variant is None else [bundle.spec.variant(variant)]
        check_device(named, device)
    refusals = []
    for choice in list_choices(bundle, variant, threads, device):
        try:
            return _open(bundle, choice, power_save), choice
        except (ConfigError, EngineError, SelfTestError) as error:
            # A device that only a tuning names may be gone, or forged: the rule comes next.
            is_asked = choice.device == (device or CPU)
            if is_asked and (variant is not None or isinstance(error, ConfigError)):
                raise
            refusals.append(str(error))
    names = ", ".join(item.name for item in bundle.spec.variants)
    raise EngineError(
        "; ".join(refusals)
        or f"{bundle.name}: none of its variants is worth running on this processor "
        f"({detect_target(bundle.spec.targets)}); choose one with --variant: {names}, or measure "
        f"them: {command_line('tune', bundle.name)}"
    )


def _open(bundle: Bundle, choice: Choice, power_save: bool) -> Engine:
    chosen = bundle.spec.variant(choice.variant)
    files = bundle.model_files(choice.variant)
    engine = open_model(chosen, files, choice.threads, power_save=power_save, device=choice.device)
    try:
        engine = _add_enrolled(engine, bundle)
        _try_out(engine, bundle)
        if choice.device != CPU:
            from edgecat.runtime.selftest import run_self_test  # the self-test, only if needed

            run_self_test(bundle, engine, choice.device)
    except (BundleError, EngineError):
        engine.close()
        raise
    return engine


def _add_enrolled(engine: Engine, bundle: Bundle) -> Engine:
    """Return a bundle's engine with the classes that were enrolled after the export.

    Raises:
        BundleError: Their file is damaged.
    """
    if bundle.spec.enrolled is None:
        return engine
    from edgecat.bundle.enrolled import load_enrolled  # numpy, as below
    from edgecat.runtime.enrolled import EnrolledEngine

    units = load_enrolled(bundle)
    return engine if units is None else EnrolledEngine(engine, units)


def _try_out(engine: Engine, bundle: Bundle) -> None:
    """Let an engine answer a black picture: the first answer is slower than the others.

    Raises:
        EngineError: It does not answer, or otherwise than the manifest says.
        BundleError: Enrolled classes are another model's.
    """
    import numpy as np  # here, so that who only asks for a choice needs no library

    blank = np.zeros((1, *bundle.spec.input.shape), np.uint8)
    logits = engine.run(blank)
    if bundle.spec.ood is not None:
        engine.run_with_features(blank)
    if logits.shape != (1, len(bundle.spec.labels)):
        raise EngineError(
            f"{bundle.name}: {engine.name} answers {list(logits.shape)}, but the bundle has "
            f"{len(bundle.spec.labels)} labels; export it again"
        )
