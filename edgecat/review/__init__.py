"""The page on which people decide what kept photos show: a queue, a log, a small server."""
