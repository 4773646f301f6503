"""MobileNetV3, large: 4.2 million parameters; better and three times slower, as published.

Source: Howard et al., "Searching for MobileNetV3" (2019), table 3. Not measured here.
"""

from edgecat.train.mobilenet_v3 import describe_mobilenet

ENTRY = describe_mobilenet("mobilenet_v3_large")
