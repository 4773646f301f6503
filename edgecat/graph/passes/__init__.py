"""Graph passes: one exact rewrite a file, each `apply(graph) -> number of places changed`."""
