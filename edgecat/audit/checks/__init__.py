"""One file a check of photos."""
