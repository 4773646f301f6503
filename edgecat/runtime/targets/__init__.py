"""One file per target: a kind of processor that differs from others in what INT8 is worth."""
