"""The device side: open a bundle, answer photos. Never imports torch, onnx or the CLI."""
