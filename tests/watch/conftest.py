"""What the tests of `edgecat watch` share."""

import pytest


class Said(list):
    say = list.append


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results.jsonl"
