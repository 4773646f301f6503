"""Labels of any alphabet in pictures, never as boxes."""

import warnings

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs edgecat[train]")

from edgecat.train.fonts import MARK, choose_fonts
from edgecat.train.plots import plot_confusion

#: A letter of a script that no font has yet: the private use area.
NOBODYS = "\U000f1234"


@pytest.mark.parametrize("label", ["Maine Coon", "Müller", "Кошка", "γάτα"])
def test_letters_of_the_own_font_are_drawn_as_they_are(label):
    drawn = choose_fonts([label])
    assert (drawn.texts, drawn.families, drawn.note) == ((label,), ("DejaVu Sans",), "")


def test_a_label_whose_letters_no_font_has_is_transliterated_and_marked(monkeypatch):
    monkeypatch.setattr("matplotlib.font_manager.fontManager.ttflist", [])
    drawn = choose_fonts(["Кошка", "猫", "고양이"])
    assert drawn.texts == ("Кошка", f"{MARK}Mao", f"{MARK}GoYangI")
    assert "transliterated" in drawn.note


def test_a_font_of_boxes_is_none():
    assert choose_fonts([NOBODYS]).texts == (MARK,)


def test_nothing_in_the_picture_is_missing_from_its_fonts(tmp_path):
    labels = ["Maine Coon", "Кошка", "猫", NOBODYS, "قطة"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing from font")
        plot_confusion(np.eye(5, dtype=np.int64), labels, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size > 1000
