"""Secrets in files: which are taken, and which protect nothing."""

import pytest

from edgecat.errors import ConfigError
from edgecat.service.secret import load_token

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "No such file"),
        (TOKEN, 0o644, "chmod 600"),
        (TOKEN, 0o602, "chmod 600"),
        ("", 0o600, "0 characters"),
        ("\n\n", 0o600, "0 characters"),
        (TOKEN[1:], 0o600, "15 characters"),
        ("x" * 2000, 0o600, "accepted are 16 to 1024"),
        ("two words of which none", 0o600, "without blanks"),
        (f"{TOKEN}\n{TOKEN}", 0o600, "one line"),
        ("0123456789abcdéf", 0o600, "letters, digits and signs"),
    ],
)
def test_a_token_file_that_protects_nothing_is_refused(tmp_path, content, mode, words):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=words) as caught:
        load_token(path, option="--token-file")
    assert "openssl rand" in str(caught.value) or "chmod" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_group_may_read_the_token_as_systemd_arranges_it(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o440)
    assert load_token(tmp_path / "token", option="--token-file") == TOKEN


def test_a_folder_is_no_token_file(tmp_path):
    with pytest.raises(ConfigError, match="directory"):
        load_token(tmp_path, option="--token-file")
