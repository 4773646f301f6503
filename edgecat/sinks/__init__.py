"""Where answers go besides the results: a queue on disk, and sinks that it is emptied into."""
