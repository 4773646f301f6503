"""`edgecat finetune` as a person sees it: its first lines, its last ones, its exit code."""

import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.cli.main import _run  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains


@pytest.fixture
def command(photos, tmp_path):
    recipe = tmp_path / "fast.toml"
    recipe.write_text("epochs = 3\nhead_epochs = 1\ncrop_side_px = 64\nbatch_size = 8\n")
    run = ["finetune", str(photos), "--out", str(tmp_path / "r"), "--weights", "cats12"]
    return [*run, "--device", "cpu", "--recipe", str(recipe)]


def test_a_run_begins_with_what_wins_and_ends_with_the_interval_macro_f1_and_recalls(
    command, capsys
):
    assert _run([*command, "--epochs", "1"]) == 0
    text = capsys.readouterr()
    assert text.err.startswith("recipe: epochs = 1 (command line, wins over 3 of ")
    assert "test photos: CAREFUL: fewer than 10 photos of class 0 (2), class 1 (2)" in text.err
    assert "epoch 2" not in text.err
    top1, macro_f1, recall, careful, *_ = text.out.splitlines()
    assert top1.startswith("test top-1: ")
    assert "% (95 % interval; " in top1
    assert macro_f1.startswith("test macro F1: ")
    assert recall.startswith("test recall, lowest first: class ")
    assert careful.startswith("CAREFUL: fewer than 10 photos")


def test_a_run_that_diverges_exits_with_its_own_code_and_goes_on_as_its_message_says(
    command, capsys
):
    assert _run([*command, "--set", "rate=1.0", "--set", "backbone_rate=1.0"]) == 18
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: the run has diverged in epoch ")
    _, advice = error.split("by the same command and ")
    assert _run([*command, *advice.split()]) == 0
    assert "resumed after epoch " in capsys.readouterr().err


def test_the_help_says_which_value_wins(capsys):
    assert _run(["finetune", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Short for --set epochs=N, and wins over it." in text
    assert "any of the recipe's keys; --set and --epochs win over it." in text
