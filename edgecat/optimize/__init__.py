"""Which edits make a trained network quicker on a machine, and by how much."""
