"""`edgecat help`: the topics, a page in a pipe and on a terminal, a topic that there is not."""

import os
import pty
import subprocess
import sys

import pytest

from edgecat.cli.main import COMMANDS, _run
from edgecat.cli.pages import FOLDER, format_page, load_pages, title_of

PAGES = load_pages()


def test_every_topic_is_listed_with_what_its_page_is_about(capsys):
    assert _run(["help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.startswith("Topics, each a page that 'edgecat help TOPIC' shows: audit ")
    assert PAGES
    for topic, page in PAGES.items():
        assert f" {topic} {title_of(page)}" in printed


@pytest.mark.parametrize("topic", PAGES)
def test_a_page_goes_into_a_pipe_as_it_is(topic, capsys):
    assert _run(["help", topic]) == 0
    assert capsys.readouterr().out == (FOLDER / f"{topic}.md").read_text(encoding="utf-8")


def read_terminal(*arguments):
    """Return what a process of edgecat shows on a terminal, whose pager is `cat`."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "edgecat", *arguments]
    env = os.environ | {"PAGER": "cat", "TERM": "xterm"}
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=env):
        os.close(its)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # EIO: nobody has the other end open any more
        return b""


def test_a_terminal_shows_a_page_without_the_marks_of_markdown():
    shown = read_terminal("help", "predict")
    assert "```" not in shown
    assert "\n    $ edgecat predict cats12 cat.jpg" in shown


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("# A title", "\x1b[1m\x1b[4mA title\x1b[0m"),
        ("see `--top`", "see \x1b[1m--top\x1b[0m"),
        ("**never**", "\x1b[1mnever\x1b[0m"),
        ("- one\n- two", "- one\n- two"),
        ("- a long line that wraps\n- two", "- a long line that\n  wraps\n- two"),
        ("a long line\nthat is filled", "a long line that is\nfilled"),
        ("| a | table |\n|---|---|\n| of | rows that are longer |",) * 2,
        ("```console\n$ `x` # no title\n```", "    \x1b[1m$ `x` # no title\x1b[0m"),
        ("```text\n[a](b.md)\n```", "    [a](b.md)"),
        ("[train](train.md)", "\x1b[1medgecat help train\x1b[0m"),
        ("[its page](train.md)", "its page (\x1b[1medgecat\nhelp train\x1b[0m)"),
        ("[curl](https://curl.se)", "curl\n(https://curl.se)"),
        ("[units](../../deploy/README.md)", "units"),
    ],
)
def test_what_a_terminal_shows_of_markdown(markdown, shown):
    assert format_page(markdown, width=20) == shown


def test_a_command_without_a_page_shows_its_options(capsys):
    name = next(name for name in COMMANDS if name not in PAGES)
    assert _run(["help", name]) == 0
    shown = capsys.readouterr().out
    assert _run([name, "--help"]) == 0
    assert shown.startswith(capsys.readouterr().out.rstrip())


def test_a_command_without_a_page_names_those_with_examples_of_it(capsys):
    assert "tune" not in PAGES
    assert _run(["help", "tune"]) == 0
    assert "With examples: edgecat help benchmark" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("topic", "hint"), [("predikt", "did you mean 'predict'?"), ("Finetun", "'finetune'?")]
)
def test_an_unknown_topic_names_the_nearest_and_all(topic, hint, capsys):
    assert _run(["help", topic]) == 2
    message = capsys.readouterr().err
    assert hint in message
    assert all(name in message for name in PAGES)


def test_a_topic_like_no_other_names_all(capsys):
    assert _run(["help", "../../README"]) == 2
    message = capsys.readouterr().err
    assert "did you mean" not in message
    assert all(name in message for name in PAGES)
