"""Commands that people are told to type, with their own paths in them, as a shell reads them."""

import shlex


def command_line(*words: object) -> str:
    """Return an edgecat command: what a shell would take apart, such as a blank, is quoted.

    Args:
        words: What follows "edgecat": a command, options, paths, and names for what people fill in,
            such as "PHOTO".
    """
    return shlex.join(["edgecat", *map(str, words)])
