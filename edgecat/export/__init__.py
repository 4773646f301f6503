"""Checkpoint -> ONNX -> OpenVINO: exact graph passes, then a proof of equality."""
