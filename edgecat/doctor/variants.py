"""A bundle on this machine: is it whole, what does each variant answer, which one is taken?"""

from collections.abc import Iterator
from pathlib import Path

from edgecat.bundle import Bundle, load_bundle
from edgecat.doctor.apart import CrashError, run_apart
from edgecat.doctor.finding import Finding, Status
from edgecat.errors import BundleError, EngineError
from edgecat.spec import ModelSpec, Variant


def check_bundle(name: str | Path, target: str) -> Iterator[Finding]:
    """Look at a bundle, each of its variants, and the choice among them.

    Args:
        name: A folder, or a released model's name.
        target: The kind of processor, one of `edgecat.spec.TARGETS`.
    """
    try:
        bundle = load_bundle(name)
    except BundleError as error:
        yield Finding.of_error("bundle", "problem", error, "export the bundle again")
        return
    spec = bundle.spec
    found = f"{spec.name}: {len(spec.labels)} classes, the SHA-256 of every file is right"
    yield Finding("bundle", "ok", found)
    usable = []
    for variant in spec.variants:
        ships = variant.verdict is None or target in variant.verdict.ships_to
        # What would not be taken here anyway is no reason to fail.
        status: Status = "problem" if ships else "warning"
        try:
            yield _test(bundle, variant)
            usable.append(variant.name)
        except BundleError as error:
            yield Finding.of_error(variant.name, status, error, "choose another --variant")
            usable.append(variant.name)
        except CrashError as error:
            yield Finding.of_error(variant.name, status, error, "choose another --variant")
        except EngineError as error:
            if ships:
                yield Finding.of_error(variant.name, "warning", error, "choose another --variant")
            else:
                yield Finding(variant.name, "ok", f"does not open here, and is not for {target}")
    yield _choose(spec, target, usable)


def _test(bundle: Bundle, variant: Variant) -> Finding:
    def answer() -> str:
        # Here, so that neither numpy nor an engine can take down the process that reports.
        from edgecat.runtime.engines.base import open_engine
        from edgecat.selftest import run_self_test

        result = run_self_test(bundle, open_engine(bundle, variant.name))
        return result.describe() if result.num_photos else ""

    passed = run_apart(f"self-test of {variant.name}", answer)
    if not passed:
        found = "opens, but the bundle stores no self-test"
        return Finding(variant.name, "warning", found, "export the bundle again")
    return Finding(variant.name, "ok", f"self-test passed: {passed}")


def _choose(spec: ModelSpec, target: str, usable: list[str]) -> Finding:
    """Say what `Classifier.open` takes where nobody asks for a variant."""
    preferred = spec.preferred_variants(target)
    chosen = next((name for name in preferred if name in usable), None)
    if chosen is None:
        return Finding(
            "choice", "problem", f"no variant that ships to {target} opens here",
            "mend what is said of the variants above, or name one with --variant",
        )  # fmt: skip
    verdict = spec.variant(chosen).verdict
    if verdict is None:
        return Finding("choice", "ok", f"{chosen}, the first that opens: there are no verdicts")
    return Finding(
        "choice",
        "ok",
        f"{chosen}, the fastest that opens of those that ship to {target} "
        f"({verdict.latency_ratio:.2f}x the latency of onnxruntime-fp32 on {verdict.measured_on})",
    )
