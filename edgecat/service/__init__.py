"""What long-running commands share: signals, systemd, a bundle that may change under way."""
