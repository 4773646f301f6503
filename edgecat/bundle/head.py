"""The head of a bundle's model, read from its float graph."""

import dataclasses

from edgecat.bundle.enrolled import load_enrolled
from edgecat.bundle.onnx_graph import Node, OnnxGraph, read_graph
from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.scores.head import ActivationName, Head, Layer
from edgecat.scores.ood import FEATURES_NAME

_LINEAR = "Gemm"
_ACTIVATIONS: dict[str, ActivationName] = {"Relu": "Relu", "HardSwish": "HardSwish"}


def load_head(bundle: Bundle) -> Head:
    """Return the layers from a bundle's features to its logits.

    Args:
        bundle: Opened.

    Raises:
        BundleError: Its first variant is no ONNX file, or has a head of another kind.
    """
    reference = bundle.spec.variants[0]
    try:
        head = read_head(read_graph(bundle.model_files(reference.name)[0]))
    except ValueError as error:
        raise BundleError(
            f"{bundle.name}: the head of {reference.name} cannot be read ({error}); export the run "
            "again with this edgecat"
        ) from error
    enrolled = load_enrolled(bundle)
    num_trained = len(bundle.spec.labels) - (len(enrolled.biases) if enrolled else 0)
    if len(head.output.biases) != num_trained:
        raise BundleError(
            f"{bundle.name}: {len(head.output.biases)} units in the output layer of "
            f"{reference.name}, but {num_trained} labels; export the run again"
        )
    return dataclasses.replace(head, enrolled=enrolled)


def read_head(graph: OnnxGraph) -> Head:
    """Return the layers that stand behind a graph's features.

    Raises:
        ValueError: It has none, or there is something else between features and logits.
    """
    layers: list[Layer] = []
    name = FEATURES_NAME
    for node in graph.nodes:
        if name not in node.inputs:
            continue
        layers = _append(layers, node, graph)
        (name,) = node.outputs
    if not layers or layers[-1].activation:
        raise ValueError(f"no output layer reads {FEATURES_NAME!r}")
    return Head(tuple(layers))


def _append(layers: list[Layer], node: Node, graph: OnnxGraph) -> list[Layer]:
    """Return layers with one more, or with an activation behind the last one.

    Raises:
        ValueError: Neither fits.
    """
    if node.kind in _ACTIVATIONS and layers and not layers[-1].activation:
        last = layers[-1]
        return [*layers[:-1], Layer(last.weights, last.biases, _ACTIVATIONS[node.kind])]
    if node.kind != _LINEAR or len(node.inputs) != 3:
        raise ValueError(f"a {node.kind} behind the features")
    weights, biases = (graph.weights.get(name) for name in node.inputs[1:])
    if weights is None or biases is None or (weights.ndim, biases.shape) != (2, weights.shape[:1]):
        raise ValueError(f"the weights of {node.outputs} are no float32 [units, inputs]")
    if layers and weights.shape[1] != len(layers[-1].biases):
        raise ValueError(f"the weights of {node.outputs} do not fit the layer before")
    return [*layers, Layer(weights, biases)]
