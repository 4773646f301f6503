"""MobileNetV3, small: 1.5 million parameters; the default."""

from edgecat.train.mobilenet_v3 import describe_mobilenet

ENTRY = describe_mobilenet("mobilenet_v3_small", is_default=True)
