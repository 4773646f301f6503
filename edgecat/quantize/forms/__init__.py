"""One file per engine: the form of INT8 that it computes fast, and how a model is written in it."""
