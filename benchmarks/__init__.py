"""What edgecat claims, measured: scripts grouped by the question that they answer."""
