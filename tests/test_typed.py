"""Commands that people are told to type."""

import shlex

import pytest

from edgecat.typed import command_line


@pytest.mark.parametrize("path", ["cats.edgecat", "my cats/x", "it's", "$HOME; rm", "고양이", "*"])
def test_a_shell_reads_the_path_as_it_is(path):
    assert shlex.split(command_line("export", path, "--int8")) == [
        "edgecat",
        "export",
        path,
        "--int8",
    ]


def test_plain_words_stay_plain():
    assert command_line("predict", "a/b.edgecat", "IMAGE") == "edgecat predict a/b.edgecat IMAGE"
