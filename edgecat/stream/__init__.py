"""Classify a camera's newest frame: JPEG frames in, smoothed answers out."""
