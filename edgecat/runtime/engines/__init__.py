"""One file per inference engine, behind the protocol in `base`."""
