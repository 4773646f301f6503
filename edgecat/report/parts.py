"""What a page is made of: sections of tables, figures, galleries and a confusion matrix.

Sections say what is shown; how, say the macros of `templates/parts.html`, one for each kind. Every
text is a label's or a file's, and so anybody's: the template escapes it.
"""

import dataclasses
from typing import ClassVar

from markupsafe import Markup


@dataclasses.dataclass(frozen=True)
class Bar:
    """A share with its interval, drawn in a table's cell.

    Attributes:
        text: The same in words.
        low_ratio: The interval's lower end, 0-1.
        value_ratio: What was measured, 0-1.
        high_ratio: The upper end, 0-1.
    """

    text: str
    low_ratio: float
    value_ratio: float
    high_ratio: float


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under heads; a row's first cell names it.

    Attributes:
        caption: What the rows are.
        heads: One for each cell of a row.
        rows: Texts and bars.
    """

    kind: ClassVar[str] = "table"
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str | Bar, ...], ...]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A drawing, and for who cannot see it a description and its numbers.

    Attributes:
        title: What it shows.
        svg: The drawing, safe, with the title and the description in it.
        table: Its numbers.
        is_key: Whether the drawing only makes sense with the table, which is then open.
    """

    kind: ClassVar[str] = "figure"
    title: str
    svg: Markup
    table: Table
    is_key: bool = False


@dataclasses.dataclass(frozen=True)
class Tile:
    """A photo and what is said of it.

    Attributes:
        image: A `data:` address.
        alt: The photo in words.
        facts: Terms and what they are for this photo.
        heat: The photo under a heat map, a `data:` address; "" where there is none.
    """

    image: str
    alt: str
    facts: tuple[tuple[str, str], ...]
    heat: str = ""


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Photos side by side."""

    kind: ClassVar[str] = "gallery"
    title: str
    tiles: tuple[Tile, ...]


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        caption: What was counted.
        labels: The classes.
        counts: A row for each true class, a column for each answer.
    """

    kind: ClassVar[str] = "matrix"
    caption: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def level(self, row: int, column: int) -> int:
        """Return a cell's share of its row in tenths, 0-10; 0 only where there is none."""
        count = self.counts[row][column]
        return max(1, round(10 * count / sum(self.counts[row]))) if count else 0


@dataclasses.dataclass(frozen=True)
class Tally:
    """The few numbers that matter most, large: what, the number, what it rests on."""

    kind: ClassVar[str] = "tally"
    numbers: tuple[tuple[str, str, str], ...]


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


Part = Table | Figure | Gallery | Matrix | Tally | Text


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        name: Its address within the page.
        title: The heading.
        lead: How to read it.
        parts: What is in it.
    """

    name: str
    title: str
    lead: str
    parts: tuple[Part, ...]


@dataclasses.dataclass(frozen=True)
class Missing:
    """A section that nothing is known for.

    Attributes:
        title: Its heading.
        advice: What to give to have it.
    """

    title: str
    advice: str
