"""The whole path on a machine without network or photos."""
