"""What the classifier reads becomes the graph's second output.

From these features a device tells photos of known classes from others (`edgecat.scores.ood`).
"""

from onnx import TensorProto, helper

from edgecat.graph.graph import Graph
from edgecat.graph.graph_pass import GraphPass
from edgecat.scores.ood import FEATURES_NAME


def apply(graph: Graph) -> int:
    """Add the output, float32 `[N, F]`; return how many features there are."""
    classifier = graph.nodes("Gemm")[0]
    num_features = int(graph.weight(classifier.input[1]).shape[1])
    old_name = classifier.input[0]
    for node in graph.nodes():
        for names in (node.input, node.output):
            names[:] = [FEATURES_NAME if name == old_name else name for name in names]
    graph.proto.output.append(
        helper.make_tensor_value_info(FEATURES_NAME, TensorProto.FLOAT, ["N", num_features])
    )
    graph.refresh()
    return num_features


ENTRY = GraphPass(40, "what the classifier reads -> second output", apply)
