"""For OpenVINO the graph is converted to its IR: an XML file, packed, and the weights."""

from edgecat.export.maker import Maker
from edgecat.graph.to_openvino import export_openvino

ENTRY = Maker(endings=(".xml.gz", ".bin"), build=export_openvino)
