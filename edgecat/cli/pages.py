"""The pages of documentation in the package, and how a terminal shows one."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

FOLDER = Path(__file__).parents[1] / "docs"

_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ITEM = re.compile(r"\n(?=- )")
_STRONG = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_LINK = re.compile(r"\[([^]]+)]\(([^)]+)\)")


def load_pages() -> dict[str, str]:
    """Return the text of each page, Markdown, by its topic, in the alphabet's order."""
    files = sorted(FOLDER.glob("*.md"))
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


def title_of(page: str) -> str:
    """Return what a page is about: its first line, a heading."""
    return page.partition("\n")[0].removeprefix("# ")


def format_page(page: str, width: int) -> str:
    """Return a page as a terminal of so many columns shows it: styled, without Markdown's marks."""
    parts: list[str] = []
    for index, part in enumerate(_BLOCK.split(page)):
        parts += [_format_code(part)] if index % 2 else _format_text(part, width)
    return "\n\n".join(parts)


def _format_code(code: str) -> str:
    lines = code.splitlines()
    return "\n".join(
        "    " + (click.style(line, bold=True) if line.startswith("$ ") else line) for line in lines
    )


def _format_text(text: str, width: int) -> Iterator[str]:
    """Yield each paragraph, heading, table or list."""
    for paragraph in filter(None, re.split(r"\n{2,}", text.strip("\n"))):
        if paragraph.startswith("#"):
            yield click.style(paragraph.lstrip("# "), bold=True, underline=True)
        elif paragraph.startswith("|"):
            yield _embolden(paragraph)
        else:
            items = _ITEM.split(_LINK.sub(_name_target, paragraph))
            yield _embolden("\n".join(_wrap(item, width) for item in items))


def _wrap(item: str, width: int) -> str:
    indent = "  " if item.startswith("- ") else ""
    # Neither a path nor an option is cut.
    return textwrap.fill(
        " ".join(item.split()),
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _embolden(text: str) -> str:
    return _STRONG.sub(lambda match: click.style(match[1] or match[2], bold=True), text)


def _name_target(link: re.Match[str]) -> str:
    """Say where a link leads, if a reader of this installation can go there."""
    text, target = link.groups()
    if "://" in target:
        return f"{text} ({target})"
    if "/" in target:
        return str(text)
    topic = target.removesuffix(".md")
    command = f"`edgecat help {topic}`"
    return command if text == topic else f"{text} ({command})"
