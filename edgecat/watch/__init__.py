"""Classify photos as they arrive in a folder, each once, whatever is killed meanwhile."""
