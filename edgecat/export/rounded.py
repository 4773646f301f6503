"""The rounded models: the files of another model, computed in fewer bits."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import onnx

from edgecat.errors import NotFiniteError
from edgecat.export.floats import FloatGraph
from edgecat.export.maker import MAKERS, Product, list_products
from edgecat.graph.graph import Graph
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.model import Model
from edgecat.quantize.ranges import run_batches
from edgecat.quantize.search import Budget
from edgecat.quantize.step import ValidationSet
from edgecat.runtime.precision import Precision


def try_rounded(
    graph: FloatGraph,
    models: Sequence[Model],
    validation: ValidationSet,
    budget: Budget,
    progress: Progress,
) -> tuple[Model, ...]:
    """Return what engines can compute in fewer bits than models have, within the budget.

    Args:
        graph: From which all were made.
        models: The float models, and the INT8 models that are kept.
        validation: Photos on which ranges and losses are measured.
        budget: What a model may lose.
        progress: Told of each that is left out, and why.
    """
    files = {model.variant.name: model.files for model in models}
    kept = []
    for product in list_products():
        if product.rounds is None or product.rounds.name not in files:
            continue
        model = _make(product, files[product.rounds.name])
        reason = find_overflow(graph.model, validation.photos, product.precision)
        if not reason:
            model, reason = _measure(model, validation, budget)
        if reason:
            progress.say(f"left out: {model.variant.name}: {reason}")
        else:
            kept.append(model)
    return tuple(kept)


def find_overflow(graph: onnx.ModelProto, photos: Pixels, precision: Precision) -> str:
    """Return which tensor takes values that a precision cannot hold; "" if none does.

    Args:
        graph: The float model: uint8 `[N, H, W, 3]` in.
        photos: uint8 `[N, H, W, 3]`, RGB, that it takes.
        precision: Of which all tensors are to be.
    """
    if math.isinf(precision.largest):
        return ""
    for name, peak in _measure_peaks(graph, photos).items():
        if not peak <= precision.largest:
            return (
                f"tensor {name!r} reaches {peak:.3g} on {len(photos)} validation photos, "
                f"{precision.name} holds at most {precision.largest:,g}; fine-tune again with a "
                "smaller learning rate if you need it"
            )
    return ""


def _measure_peaks(graph: onnx.ModelProto, photos: Pixels) -> dict[str, float]:
    """Return the largest magnitude of every float tensor, weights included."""
    found = Graph(graph.graph)
    peaks = {
        tensor.name: float(np.abs(found.weight(tensor.name)).max())
        for tensor in graph.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    # The photo itself stays uint8 until it is cast.
    names = [node.output[0] for node in found.nodes() if node.op_type != "Transpose"]
    for results in run_batches(graph, names, photos):
        for name, values in zip(names, results, strict=True):
            peaks[name] = max(peaks.get(name, 0.0), float(np.abs(values).max()))
    return peaks


def _make(product: Product, files: tuple[bytes, ...]) -> Model:
    imitate = MAKERS.load(product.variant.engine).imitate
    imitation = None if product.runs_here or imitate is None else imitate(product.variant, files)
    return Model(product.variant, files, imitation=imitation)


def _measure(model: Model, validation: ValidationSet, budget: Budget) -> tuple[Model, str]:
    """Return a model with what it loses, and why it is not kept: "" if it is."""
    try:
        with model.open() as engine:
            model = dataclasses.replace(model, change=validation.compare(engine))
    except NotFiniteError:
        return model, "its answer to a validation photo is not finite"
    kept = model.change is not None and budget.holds(model.change)
    return model, "" if kept else f"over budget, {model.describe_loss()}"
