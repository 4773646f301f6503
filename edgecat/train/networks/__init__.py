"""One file per network: what it takes, how it is built, where its pretrained weights are from."""
