"""What this process runs on and may use of it: instructions, cores, memory, mounts."""
