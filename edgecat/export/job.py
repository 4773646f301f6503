"""A finished run -> a bundle: export, prove equality, quantize, prove accuracy, write.

Nothing is written at the bundle's path before every proof has been given. An export that was killed
is started again by the same command, and takes what it had made from the run's cache.
"""

from pathlib import Path

from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.plain import name_bundle
from edgecat.bundle.store import check_replaceable
from edgecat.export.cache import CACHE, StageCache, describe_setting
from edgecat.export.contents import Contents, write_contents
from edgecat.export.floats import make_graph, prove_floats
from edgecat.export.int8 import Int8Material, Int8Models, refuse_lost, search_int8
from edgecat.export.rounded import try_rounded
from edgecat.export.scoring import rate_models
from edgecat.export.sets import (
    load_calibration_set,
    load_proof_set,
    load_validation_set,
    open_source,
)
from edgecat.progress import Progress, Silent
from edgecat.quantize.search import Budget
from edgecat.train.threads import limit_threads


def export_run(
    run: Path,
    out: Path,
    budget: Budget | None = None,
    *,
    int8: bool = False,
    data: Path | None = None,
    progress: Progress | None = None,
) -> ModelSpec:
    """Export a run as a bundle.

    Args:
        run: What `edgecat.train.finetune.finetune` wrote.
        out: The bundle to make or replace.
        budget: What a variant in fewer bits may cost; None for the defaults.
        int8: Whether INT8 variants are made, too.
        data: Where the run's photos are now; None for where they were.
        progress: Told of each step.

    Returns:
        The bundle's manifest, with the test scores and the verdict of each variant.

    Raises:
        TrainError: No finished run.
        DatasetError: The run's photos are gone or changed.
        ParityError: An exported model answers otherwise than the checkpoint; nothing is written.
        QuantizeError: The checkpoint cannot be quantized; nothing is written.
        AccuracyLost: An INT8 variant is over budget; the bundle is written without it.
        BundleError: Something that is no bundle stands at `out`, or no manifest can hold that name.
        StorageError: The disk is full; a bundle that stood there is intact.
    """
    check_replaceable(out)
    name_bundle(out)  # refused before the work, not after
    limit_threads()
    budget, progress = budget or Budget(), progress or Silent()
    source = open_source(run, data, progress)
    cache = StageCache(run / CACHE, describe_setting(), progress)
    proof = load_proof_set(source)
    graph = make_graph(source, proof, cache, progress)
    floats = prove_floats(graph, proof, progress)
    validation = load_validation_set(source)
    calibration = load_calibration_set(source)
    found = Int8Models()
    if int8:
        material = Int8Material(source, graph, floats, calibration, validation)
        found = search_int8(material, budget, cache, progress)
    plain = (*floats.models, *found.models)
    models = (*plain, *try_rounded(graph, plain, validation, budget, progress))
    rated = rate_models(models, source, calibration, validation, budget, progress)
    spec = write_contents(Contents(source, graph, floats, found, models, rated), out)
    refuse_lost(found, out)
    return spec
