"""A wrong command line, said in the words of all other errors: one line, with the mend."""

import click


def describe_usage(error: click.ClickException) -> str:
    """Return what click refuses as a message of `edgecat.errors` is.

    Args:
        error: With the command that it is about, where click knows it.
    """
    said = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return said
    missing = error.param if isinstance(error, click.MissingParameter) else None
    if isinstance(missing, click.Option) and missing.help:
        said += f" ({missing.help.rstrip('.')})"
    said = f"{said[:1].lower()}{said[1:]}".replace(". Did you mean", "; did you mean")
    see = f"see '{context.command_path} --help'"
    return f"{context.command_path}: {said}{' ' if said.endswith('?') else '; '}{see}"
