"""Labels of any alphabet in pictures: a font that has the letters, or a marked transliteration."""

import dataclasses
from collections.abc import Sequence

# Matplotlib's own font, always there: Latin, Greek, Cyrillic, Arabic, Hebrew and more.
_OWN_FONT = "DejaVu Sans"

# Has a box for every letter there is; matplotlib brings it for the want of any other.
_BOXES = "Last Resort"

#: Stands before a label that is written in Latin letters for want of a font.
MARK = "~"


@dataclasses.dataclass(frozen=True)
class DrawnLabels:
    """Labels as a picture can show them.

    Attributes:
        texts: The labels, or behind `MARK` their transliteration.
        families: Fonts that together have all their letters, the first choice first.
    """

    texts: tuple[str, ...]
    families: tuple[str, ...]

    @property
    def note(self) -> str:
        """Return what to write below the picture; "" where no label is transliterated."""
        if not any(text.startswith(MARK) for text in self.texts):
            return ""
        return f" ({MARK}: transliterated, no installed font has its letters)"


def choose_fonts(labels: Sequence[str]) -> DrawnLabels:
    """Find fonts for labels among those installed.

    Args:
        labels: Any text.
    """
    from anyascii import anyascii

    letters = {letter for label in labels for letter in label if not letter.isspace()}
    families, missing = _find_fonts(letters)
    texts = (
        label if missing.isdisjoint(label) else f"{MARK}{anyascii(label).strip()}"
        for label in labels
    )
    return DrawnLabels(tuple(texts), families)


def _find_fonts(letters: set[str]) -> tuple[tuple[str, ...], set[str]]:
    """Return fonts, and the letters that none of them has."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    def letters_of(file: str) -> set[str]:
        try:
            return {chr(code) for code in get_font(file).get_charmap()}
        except (OSError, RuntimeError):  # a font that was removed, or is damaged
            return set()

    families = [_OWN_FONT]
    missing = letters - letters_of(findfont(FontProperties(family=_OWN_FONT)))
    for entry in fontManager.ttflist:
        if not missing:
            break
        if entry.name.startswith(_BOXES):
            continue
        found = letters_of(entry.fname) & missing
        if found:
            families.append(entry.name)
            missing -= found
    return tuple(families), missing
