"""What a number means: metrics, comparisons, how much a photo is like the known classes."""
