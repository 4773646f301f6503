"""The honest clock: all variants interleaved, with the facts of the host."""
