"""A bundle behind HTTP: safe with any client, on a small machine. Needs edgecat[serve]."""
