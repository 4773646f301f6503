"""One file per form of INT8: the ways to make such a model, from cheap to dear."""
