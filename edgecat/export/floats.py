"""The float models: one graph, rewritten exactly, and for each engine proven to answer as torch."""

import dataclasses
from functools import partial

import onnx

from edgecat.bundle.manifest import Variant
from edgecat.errors import UnsupportedGraphError
from edgecat.export.cache import StageCache
from edgecat.export.maker import MAKERS, list_products
from edgecat.export.parity import Parity, check_parity
from edgecat.export.sets import ProofSet, Source
from edgecat.export.statistics import collect_statistics
from edgecat.export.to_onnx import export_onnx
from edgecat.graph.optimize import optimize_graph
from edgecat.progress import Progress
from edgecat.quantize.model import Model
from edgecat.train.finished import Checkpoint


@dataclasses.dataclass(frozen=True)
class FloatGraph:
    """The checkpoint's graph, from which every engine's models are made.

    Attributes:
        files: The ONNX model; then as safetensors what folding BatchNorm forgets, from which
            `edgecat.train.unfold` gives the network back.
        changes: How often each graph pass changed something.
    """

    files: tuple[bytes, ...]
    changes: dict[str, int]

    @property
    def model(self) -> onnx.ModelProto:
        """Return the ONNX model: uint8 `[N, H, W, 3]` RGB in, logits and features out."""
        return onnx.ModelProto.FromString(self.files[0])


@dataclasses.dataclass(frozen=True)
class ProvenFloats:
    """The float models, in the order of `edgecat.export.maker.list_products`.

    Attributes:
        models: A model of each engine.
        parities: The proof of each, by variant.
    """

    models: tuple[Model, ...]
    parities: dict[str, Parity]

    def has(self, variant: Variant) -> bool:
        """Return whether there is a model of a variant: its engine may lack an operator."""
        return variant.name in self.parities

    def find(self, variant: Variant) -> Model:
        """Return the model of a variant."""
        return next(model for model in self.models if model.variant.name == variant.name)


def make_graph(
    source: Source, proof: ProofSet, cache: StageCache, progress: Progress
) -> FloatGraph:
    """Export a checkpoint to ONNX and rewrite the graph, each rewriting checked on photos.

    Raises:
        ExportError: torch could not export it.
        ParityError: A graph pass changed the answers.
    """
    inputs = {
        "network": source.checkpoint.record.arch,
        "weights": source.checkpoint.weights_sha256,
        "photos to prove with": source.photos.hash_of(source.sets.proof),
    }
    make = partial(_export_graph, source.checkpoint, proof, progress)
    return cache.recall("ONNX graph", inputs, FloatGraph, make)


def prove_floats(graph: FloatGraph, proof: ProofSet, progress: Progress) -> ProvenFloats:
    """Make every engine's float model, and prove that each answers as the checkpoint.

    Raises:
        ExportError: An engine does not read the graph.
        ParityError: One answers otherwise.
    """
    models = build_float_models(graph.model, progress)
    parities = {model.variant.name: _prove(model, proof, progress) for model in models}
    return ProvenFloats(models, parities)


def build_float_models(graph: onnx.ModelProto, progress: Progress) -> tuple[Model, ...]:
    """Return every engine's float model of a graph, not yet proven.

    An engine that cannot have the network is left out. The reference takes every graph.

    Args:
        graph: As `optimize_graph` returns it.
        progress: Told of what is left out.

    Raises:
        ExportError: An engine does not read the graph.
    """
    models = []
    for product in list_products():
        variant = product.variant
        if product.precision.made != "exact":
            continue
        try:
            models.append(Model(variant, tuple(MAKERS.load(variant.engine).build(graph))))
        except UnsupportedGraphError as error:
            progress.say(f"left out: {variant.name}: {error}")
    return tuple(models)


def _export_graph(checkpoint: Checkpoint, proof: ProofSet, progress: Progress) -> FloatGraph:
    from safetensors.torch import save

    progress.say("export to ONNX")
    graph, changes = optimize_graph(export_onnx(checkpoint.network), proof.photos)
    statistics = save(collect_statistics(checkpoint.network.network, graph))
    return FloatGraph((graph.SerializeToString(), statistics), changes)


def _prove(model: Model, proof: ProofSet, progress: Progress) -> Parity:
    with model.open() as engine:
        parity = check_parity(engine, proof.photos, proof.expected)
    progress.say(
        f"{model.variant.name}: answers as the checkpoint on {parity.num_images} photos, "
        f"logits within {parity.logit_gap:.1g}"
    )
    return parity
