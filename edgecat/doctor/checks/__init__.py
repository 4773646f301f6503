"""One file per check of a machine."""
