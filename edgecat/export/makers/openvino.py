"""For OpenVINO the graph is converted to its IR: an XML file and the weights.

Plain, the XML would be a sixth of an INT8 model; compressed it is a twentieth of that.
"""

from edgecat.export.maker import Maker
from edgecat.graph.to_openvino import export_openvino

ENTRY = Maker(endings=(".xml.gz", ".bin"), build=export_openvino)
