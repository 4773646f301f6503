"""A bundle on another machine, over OpenSSH: measured there, nothing left there."""
