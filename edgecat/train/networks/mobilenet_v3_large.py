"""MobileNetV3, large: 4.2 million parameters, better and about three times slower."""

from edgecat.train.mobilenet_v3 import describe_mobilenet

ENTRY = describe_mobilenet("mobilenet_v3_large")
