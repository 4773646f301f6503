"""Every example of every page runs, and prints what the page shows.

A page's blocks, in order, in the folder of `conftest.py`:

- `console`: a line `$ ...` is a command of a shell (one that ends in `\\` goes on in the next line;
  one that ends in ` &` runs until the page ends), the lines below it are what it prints, standard
  error and output as a terminal shows them. It exits with 0, or, where a line shown begins with
  `error: `, with another code. A command without lines may print anything.
- `python`: runs as it stands.
- All others (`text`, `yaml`, ...) are not run; `test_pages.py` checks their commands and options.

Ports that a page names on this machine are taken by free ones, the same one all over the page.

What is shown and what is printed may differ in these: a line of `...` stands for any lines or none,
`...` within a line for any text, a number for any number, blanks for any blanks. A page shows `...`
for the variant that a machine chooses: another one chooses another.
"""

import contextlib
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass

import pytest

from edgecat.cli.pages import load_pages
from tests.docs.conftest import run, start

PAGES = load_pages()

_RUN = ("console", "python")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:e[+-]\d+)?")
_PORT = re.compile(r"(?<=--port )\d+|(?<=127\.0\.0\.1:)\d+")
_ANY_LINES, _ANY_TEXT = r"(?:.*\n)*?", r".*?"


@dataclass(frozen=True)
class Example:
    """A line of shell and the lines that a page shows below it."""

    command: str
    shown: tuple[str, ...]

    @property
    def fails(self):
        return any(line.startswith("error: ") for line in self.shown)


def examples_of(console):
    """Return the examples of a block."""
    first, *rest = re.split(r"^\$ ", console, flags=re.MULTILINE)
    assert not first, f"a console block begins with a command: {first}"
    return [_example(text) for text in rest]


def _example(text):
    command, *shown = text.replace("\\\n", " ").splitlines()
    return Example(command, tuple(line for line in shown if line.strip()))


def with_free_ports(text):
    """Return a page on whose ports nobody listens; each stays taken until all are found."""
    with contextlib.ExitStack() as stack:
        free = {}
        for port in _PORT.findall(text):
            if port not in free:
                taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                free[port] = str(taken.getsockname()[1])
    return _PORT.sub(lambda match: free[match[0]], text)


def matches(shown, printed):
    """Return whether the lines of an example are what was printed, as the module says."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    pattern = "".join(map(_line_pattern, shown))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _line_pattern(line):
    if line.strip() == "...":
        return _ANY_LINES
    parts = " ".join(line.split()).split("...")
    return _ANY_TEXT.join(map(_text_pattern, parts)) + r"\n"


def _text_pattern(text):
    return _NUMBER.pattern.join(re.escape(part) for part in _NUMBER.split(text))


def check(example, home):
    code, printed = run(example.command, home)
    assert (code != 0) == example.fails, f"$ {example.command}\nexits with {code}\n{printed}"
    if example.shown:
        shown = "\n".join(example.shown)
        assert matches(example.shown, printed), f"{example.command}\nshown:\n{shown}\n\n{printed}"


@contextlib.contextmanager
def background(command, home):
    """A command that runs beside the others, in a session of its own."""
    with start(command, home, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("topic", PAGES)
def test_the_examples_of_a_page_run_and_print_what_it_shows(topic, make_home):
    pytest.importorskip("torch", reason="needs torch (edgecat[train])")
    blocks = _BLOCK.findall(with_free_ports(PAGES[topic]))
    consoles = [examples_of(text) for language, text in blocks if language == "console"]
    home = make_home("".join(text for language, text in blocks if language in _RUN))
    with contextlib.ExitStack() as services:
        for language, text in blocks:
            if language == "python":
                check(Example(f'"{sys.executable}" - <<"END"\n{text}END', ()), home)
            elif language == "console":
                for example in consoles.pop(0):
                    if example.command.endswith(" &"):
                        command = example.command.removesuffix(" &")
                        services.enter_context(background(command, home))
                    else:
                        check(example, home)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["cat.jpg: Siamese 97.1 %"], "cat.jpg: Siamese 8 %\n"),
        (["drop +0.4 pp, within 2e-05"], "drop -1.1 pp, within 0.3\n"),
        (["a  b"], "a b\n\n"),
        (["first", "..."], "first\nsecond\nthird\n"),
        (["...", "last"], "last\n"),
        (["cat.jpg: ... %"], "cat.jpg: Persian 9 %\n"),
    ],
)
def test_what_a_page_may_show_of_what_is_printed(shown, printed):
    assert matches(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["cat.jpg: Siamese 97.1 %"], "cat.jpg: Persian 97.1 %\n"),
        (["first"], "first\nsecond\n"),
        (["first", "second"], "second\nfirst\n"),
        (["...", "last"], "first\nlast\nnot the last\n"),
        (["97 %"], "ninety %\n"),
        (["a.b"], "axb\n"),
    ],
)
def test_what_differs_in_words_or_lines_is_found(shown, printed):
    assert not matches(shown, printed)


def test_a_page_does_not_mind_a_port_that_is_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = f"edgecat serve cats12 --port {port} &\ncurl http://127.0.0.1:{port}/healthz\n"
        (found,) = set(_PORT.findall(with_free_ports(text)))
        assert found != str(port)
    assert with_free_ports("curl http://HOST:8000/a") == "curl http://HOST:8000/a"


def test_a_block_is_commands_and_what_they_print():
    assert examples_of("$ one \\\n    --more\nout\n\n$ two\nerror: no\n") == [
        Example("one      --more", ("out",)),
        Example("two", ("error: no",)),
    ]
