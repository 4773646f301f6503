"""The command `edgecat help`."""

import difflib
import shutil
import sys

import click

from edgecat.cli.main import COMMANDS, cli
from edgecat.cli.pages import format_page, load_pages, title_of
from edgecat.errors import ConfigError

# Columns; longer lines of text are hard to read.
_MAX_WIDTH = 100


@click.command("help", short_help=COMMANDS["help"])
@click.argument("topic", required=False)
@click.pass_context
def command(context: click.Context, topic: str | None) -> None:
    """Explain a topic with examples, or list the topics.

    Of a command that has no page of its own, it shows what --help does. On a terminal a page is
    shown in your pager; elsewhere it is Markdown.

    \b
      edgecat help
      edgecat help train
      edgecat help train > train.md
    """
    pages = load_pages()
    if topic is None:
        click.echo(_list_topics(pages))
    elif topic in pages:
        _show(pages[topic])
    elif topic in COMMANDS:
        click.echo(_help_of(topic, context, pages))
    else:
        raise ConfigError(f"edgecat help {topic}: no such topic; {_hint(topic, list(pages))}")


def _list_topics(pages: dict[str, str]) -> str:
    formatter = click.HelpFormatter()
    with formatter.section("Topics, each a page that 'edgecat help TOPIC' shows"):
        formatter.write_dl([(topic, title_of(page)) for topic, page in pages.items()])
    return f"{formatter.getvalue()}\nAll options of a command: edgecat COMMAND --help"


def _show(page: str) -> None:
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        click.echo_via_pager(format_page(page, min(columns, _MAX_WIDTH)))
    else:
        click.echo(page, nl=False)


def _help_of(name: str, context: click.Context, pages: dict[str, str]) -> str:
    """Return what a command's --help prints, and the pages that use it."""
    named = cli.get_command(context, name)
    assert named is not None  # it stands in COMMANDS
    text = named.get_help(click.Context(named, context.parent, info_name=name))
    topics = [topic for topic, page in pages.items() if f"edgecat {name} " in page]
    examples = f"\n\nWith examples: edgecat help {', '.join(topics)}" if topics else ""
    return text + examples


def _hint(topic: str, topics: list[str]) -> str:
    near = difflib.get_close_matches(topic.lower(), [*topics, *COMMANDS], n=1)
    did_you_mean = f"did you mean {near[0]!r}? " if near else ""
    return f"{did_you_mean}topics: {', '.join(topics)}"
