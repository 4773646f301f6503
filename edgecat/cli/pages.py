"""The pages of documentation in the package, and how a terminal shows one."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

FOLDER = Path(__file__).parents[1] / "docs"

_FENCE = "```"
_CODE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_LINK = re.compile(r"\[([^]]+)]\(([^)]+)\)")


def load_pages() -> dict[str, str]:
    """Return the text of each page, Markdown, by its topic, in the alphabet's order."""
    files = sorted(FOLDER.glob("*.md"))
    return {file.stem: file.read_text(encoding="utf-8") for file in files}


def title_of(page: str) -> str:
    """Return what a page is about: its first line, a heading."""
    return page.partition("\n")[0].removeprefix("# ")


def format_page(page: str) -> str:
    """Return a page as a terminal shows it: styled, without the marks of Markdown."""
    return "\n".join(_format_lines(page)) + "\n"


def _format_lines(page: str) -> Iterator[str]:
    is_code = False
    for line in page.splitlines():
        if line.startswith(_FENCE):
            is_code = not is_code
        elif is_code:
            yield "    " + (click.style(line, bold=True) if line.startswith("$ ") else line)
        elif line.startswith("#"):
            yield click.style(line.lstrip("# "), bold=True, underline=True)
        else:
            yield _CODE.sub(_embolden, _LINK.sub(_name_target, line))


def _embolden(match: re.Match[str]) -> str:
    return click.style(match[1] or match[2], bold=True)


def _name_target(link: re.Match[str]) -> str:
    """Say where a link leads, if a reader of this installation can go there."""
    text, target = link.groups()
    if "://" in target:
        return f"{text} ({target})"
    if "/" not in target and target.endswith(".md"):
        return f"{text} (`edgecat help {target.removesuffix('.md')}`)"
    return text
