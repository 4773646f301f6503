"""ONNX graphs, read and rewritten: passes, each checked, and the way on to OpenVINO."""
