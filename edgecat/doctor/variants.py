"""A bundle on this machine: is it whole, what does each variant answer, which one is taken?"""

from collections.abc import Iterator
from pathlib import Path

from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.errors import BundleError, EngineError, StorageError
from edgecat.machine.cores import read_cores
from edgecat.runtime.apart import CrashError, run_apart
from edgecat.runtime.engine import runs_here
from edgecat.runtime.target import tell_target
from edgecat.runtime.tuned import find_tuning
from edgecat.runtime.tuning import Timing, Tuning
from edgecat.typed import command_line

_CHOOSE = "choose another --variant"

_RULE = "a rule, 'edgecat tune' measures it here"


def check_bundle(
    name: str | Path, machine: Machine, *, signer: Path | None = None, allow_older: bool = False
) -> Iterator[Finding]:
    """Look at a bundle, each of its variants, and the choice among them.

    Args:
        name: A folder, or a released model's name.
        machine: The one that it is to run on.
        signer: As for `edgecat.bundle.store.load_bundle`.
        allow_older: The same.
    """
    try:
        bundle = load_bundle(name, signer=signer, allow_older=allow_older)
    except (BundleError, StorageError) as error:
        yield Finding.of_error("bundle", "problem", error, "export the bundle again")
        return
    spec = bundle.spec
    found = f"{spec.name}: {len(spec.labels)} classes, the SHA-256 of every file is right"
    if signer is not None:
        found += f", signed by the owner of {signer}"
    if spec.release is not None:
        found += f", {spec.release.describe()}"
    yield Finding("bundle", "ok", found)
    target = tell_target(machine.machine, machine.features, spec.targets)
    kept = find_tuning(bundle)
    best = _find_best(kept.tuning, machine)
    measured = () if best is None else (best.variant,)
    preferred = tuple(dict.fromkeys((*measured, *spec.preferred_variants(target))))
    others = [variant.name for variant in spec.variants if variant.name not in preferred]
    taken = None
    for variant in (*preferred, *others):
        outcome = _try(bundle, variant)
        ships = variant in preferred
        is_needed = ships and taken is None and not _is_for_others(spec, variant, outcome)
        yield _judge(variant, outcome, ships=ships, is_needed=is_needed)
        if ships and taken is None and not isinstance(outcome, EngineError):
            taken = variant
    if kept.dropped:
        mend = f"{command_line('tune', name)}, or remove the file"
        yield Finding("tuning", "warning", f"counts no more: {kept.dropped}", mend)
    if kept.tuning is not None and best is not None and taken == best.variant:
        yield _describe_tuning(kept.tuning, best)
    else:
        yield _describe_choice(spec, target, taken)


def _find_best(tuning: Tuning | None, machine: Machine) -> Timing | None:
    """Return what a tuning says is best here; None where there is none."""
    if tuning is None:
        return None
    return tuning.find(None, None, read_cores(machine.root).num_threads)


def _try(bundle: Bundle, variant: str) -> str | BundleError | EngineError:
    """Return how the self-test was passed, empty if there is none; or what came up."""

    def answer() -> str:
        # Here, so that neither numpy nor an engine can take down the process that reports.
        from edgecat.runtime.choice import open_choice
        from edgecat.runtime.selftest import run_self_test

        engine, choice = open_choice(bundle, variant)
        result = run_self_test(bundle, engine, choice.device)
        return result.describe() if result.num_photos else ""

    try:
        passed: str = run_apart(f"self-test of {variant}", answer)
    except (BundleError, EngineError) as error:
        return error
    return passed


def _is_for_others(spec: ModelSpec, variant: str, outcome: object) -> bool:
    """Return whether a variant does not open since this processor does not compute so.

    Nobody can mend that, and the next one is taken.
    """
    if not isinstance(outcome, EngineError) or isinstance(outcome, CrashError):
        return False
    try:
        return not run_apart(variant, lambda: runs_here(spec.variant(variant)))
    except EngineError:  # its engine is not installed, or not known
        return False


def _judge(
    variant: str, outcome: str | BundleError | EngineError, *, ships: bool, is_needed: bool
) -> Finding:
    """Make a finding of a variant's outcome.

    Args:
        variant: Its name.
        outcome: What `_try` returned.
        ships: To this kind of processor; what does not is no reason to fail.
        is_needed: No variant that is preferred to it opens here.
    """
    if outcome == "":
        found = "opens, but the bundle stores no self-test"
        return Finding(variant, "warning", found, "export the bundle again")
    if isinstance(outcome, str):
        return Finding(variant, "ok", f"self-test passed: {outcome}")
    if isinstance(outcome, EngineError) and not isinstance(outcome, CrashError):
        if not is_needed:
            why = outcome.without(variant)
            return Finding(variant, "ok", f"not opened, and not needed here: {why}")
        return Finding.of_error(variant, "warning", outcome, _CHOOSE)
    return Finding.of_error(variant, "problem" if ships else "warning", outcome, _CHOOSE)


def _describe_tuning(tuning: Tuning, best: Timing) -> Finding:
    """Say what `Classifier.open` takes where it was measured."""
    found = (
        f"{best.place}, threads: {best.threads}, the fastest as measured here on {tuning.date} "
        f"({best.ratio:.2f}x the latency of {tuning.reference})"
    )
    if tuning.is_partial:
        mend = "let edgecat tune run to its end"
        return Finding("choice", "warning", f"{found}, before all was measured", mend)
    if tuning.noise.verdict == "too noisy":
        mend = "edgecat tune, while nothing else runs"
        return Finding("choice", "warning", f"{found}, {tuning.noise.describe()}", mend)
    return Finding("choice", "ok", found)


def _describe_choice(spec: ModelSpec, target: str, taken: str | None) -> Finding:
    """Say what `Classifier.open` takes where nobody asks for a variant."""
    if taken is None:
        return Finding(
            "choice", "problem", f"no variant that ships to {target} opens here",
            "mend what is said of the variants above, or name one with --variant",
        )  # fmt: skip
    if not spec.targets:
        return Finding(
            "choice", "ok", f"{taken}, the first that opens: there are no verdicts; {_RULE}"
        )
    variant = spec.variant(taken)
    verdict, counted = variant.verdict, variant.instruction_ratios.get(target)
    if verdict is not None and (verdict.measured_on == target or counted is None):
        place = f"{spec.reference} on {verdict.measured_on}"
        reason = f"{verdict.latency_ratio:.2f}x the latency of {place}"
    else:
        reason = f"{counted:.2f}x the instructions of {spec.reference}, which are no latency"
    found = f"{taken}, the fastest that opens of those that ship to {target} ({reason}); {_RULE}"
    return Finding("choice", "ok", found)
