"""Which variant is fastest on this machine, and with how many threads: measured, and kept."""
