"""Machines as the kernel describes them: files below a folder in the place of /."""

import pytest


@pytest.fixture
def make_root(tmp_path):
    """A function that writes files, by path, below a folder and returns it."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "root"

    return make
