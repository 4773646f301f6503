"""Is this machine fit to run a bundle? One file for each thing that is looked at."""
