"""What commands print for machines."""

import json

import pytest

from edgecat.cli.output import print_json
from edgecat.errors import EdgecatError

VALUE = {"answer": "Bündner Katze", "top": [{"probability": 0.1}]}


def test_json_is_what_went_in_and_readable(capsys):
    for is_line in (True, False):
        print_json(VALUE, is_line=is_line)
        text = capsys.readouterr().out
        assert json.loads(text) == VALUE
        assert "Bündner" in text
        assert (text.count("\n") == 1) == is_line


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_an_error_and_not_printed(number, capsys):
    for is_line in (True, False):
        with pytest.raises(EdgecatError):
            print_json({"top": [{"probability": number}]}, is_line=is_line)
    assert capsys.readouterr().out == ""
