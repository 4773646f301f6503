"""The pages as text: short, a title each, links that lead somewhere, commands that exist."""

import re
from pathlib import Path

import click
import pytest

from edgecat.cli.main import cli
from edgecat.cli.pages import FOLDER, title_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(FOLDER.glob("*.md"))
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
TEXTS = [*PAGES, *sorted((ROOT / "deploy").rglob("*.md")), *(ROOT / name for name in NAMES)]

MAX_LINES, MAX_WIDTH = 100, 110
MAX_TITLE = 60  # it stands in one line of a terminal, behind its topic

_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
# The command behind a prompt, `sudo`, `python -m`, a path, or what ends another command.
_COMMAND = re.compile(
    r"(?:^|[|;&(]|-m |sudo )\s*(?:\$ )?(?:\S*/)?edgecat +([^|;&()#>\n]+)", re.MULTILINE
)
_LINK = re.compile(r"]\(([^)\s]+)\)")


def name_of(path):
    return str(path.relative_to(ROOT))


def code_of(text):
    """Return the pieces of code of a page, those in its lines with their breaks undone."""
    spans = [" ".join(span.split()) for span in _SPAN.findall(_BLOCK.sub("", text))]
    return [*_BLOCK.findall(text), *spans]


def unknown_in(code):
    """Return the commands and options of edgecat in a piece of code that do not exist."""
    found = _COMMAND.findall(code.replace("\\\n", " "))
    return [problem for words in found for problem in _unknown_words(words.split())]


def _unknown_words(words):
    command = cli
    while isinstance(command, click.Group) and words and words[0].islower():
        name = words.pop(0)
        if name.startswith("-"):
            words.insert(0, name)
            break
        command = command.get_command(click.Context(command), name)
        if command is None:
            return [name]
    known = {option for parameter in command.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return sorted(given - known - {"-h", "--help"})


def all_options(group=cli):
    """Return the options of all commands."""
    context, found = click.Context(group), {"--help"}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found |= {option for parameter in command.params for option in parameter.opts}
        if isinstance(command, click.Group):
            found |= all_options(command)
    return found


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_command_and_option_in_a_text_exists(path):
    code = code_of(path.read_text())
    assert [problem for piece in code for problem in unknown_in(piece)] == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_option_that_a_page_names_alone_exists(path):
    alone = {piece.split()[0] for piece in code_of(path.read_text()) if piece.startswith("--")}
    assert alone - all_options() == set()


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_every_link_in_a_text_leads_to_a_file(path):
    targets = {link.partition("#")[0] for link in _LINK.findall(path.read_text())}
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_page_is_short_and_begins_with_its_title(path):
    text = path.read_text()
    assert text.startswith("# ")
    assert len(title_of(text)) <= MAX_TITLE
    assert len(title_of(text).split()) > 1, "a title says what the page is for, as a sentence"
    assert len(text.splitlines()) <= MAX_LINES
    assert max(map(len, text.splitlines())) <= MAX_WIDTH


@pytest.mark.parametrize(
    ("code", "unknown"),
    [
        ("edgecat predict cats12 cat.jpg --top 3", []),
        ("edgecat predikt cats12", ["predikt"]),
        ("$ edgecat predict cats12 --varient x", ["--varient"]),
        ("cat x | edgecat stream cats12 --windows=3", ["--windows"]),
        ("edgecat bundle pack b \\\n    --into c", ["--into"]),
        ("edgecat bundle pick", ["pick"]),
        ("sudo .venv/bin/edgecat serve cats12 --hosts x", ["--hosts"]),
        ("torchrun -m edgecat finetune photos --outt x", ["--outt"]),
        ("edgecat --versions", ["--versions"]),
        ("edgecat COMMAND --help", []),
        ("pip install --no-deps edgecat numpy", []),
        ("edgecat inspect cats12 | jq -r .labels", []),
    ],
)
def test_a_command_or_option_that_does_not_exist_is_found(code, unknown):
    assert unknown_in(code) == unknown
