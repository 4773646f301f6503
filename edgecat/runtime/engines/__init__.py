"""One file per inference engine: opens its files, runs batches, says what it can do here."""
