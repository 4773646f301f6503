"""A class from a few photos, on the device: knows bundles, the runtime and the new photos."""
