"""`python -m edgecat`: the command line where a module is asked for, as torchrun does."""

from edgecat.cli.start import main

if __name__ == "__main__":
    main()
