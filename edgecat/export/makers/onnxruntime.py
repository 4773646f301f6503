"""For ONNX Runtime the graph is the file."""

from edgecat.export.maker import Maker

ENTRY = Maker(endings=(".onnx",), build=lambda graph: (graph.SerializeToString(),))
