"""One file per engine: how the proven float graph becomes the files that the engine opens."""
