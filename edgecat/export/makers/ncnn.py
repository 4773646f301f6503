"""For ncnn the graph is written layer by layer: a text file and the weights."""

from edgecat.export.maker import Maker
from edgecat.export.ncnn_half import HalfEngine
from edgecat.graph.to_ncnn import export_ncnn

ENTRY = Maker(endings=(".param", ".bin"), build=export_ncnn, imitate=HalfEngine)
