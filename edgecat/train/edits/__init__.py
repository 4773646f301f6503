"""Edits of networks, one a file: see `edgecat.train.edit`."""
