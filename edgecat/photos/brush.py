"""Shapes in head units, and how they are painted: soft shading, fur, shadow.

Every part of a drawing is a polygon: points are complex numbers x + yj, so that turning is
multiplying. A `Pose` takes them to pixels. All colours are (red, green, blue), 0 to 255.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

RGB = tuple[int, int, int]
Points = NDArray[np.complex128]
Shapes = list[tuple[Points, RGB]]  # filled polygons, painted in this order

SOFTENING = 4  # soft shading is painted this much smaller, then enlarged
BLACK = (24, 18, 18)


@dataclass(frozen=True)
class Pose:
    """Head units to pixels: `points * turn + origin`."""

    turn: complex
    origin: complex

    def pixels(self, points: Points) -> list[float]:
        """The flat list x, y, x, y ... that `ImageDraw.polygon` takes."""
        return list((points * self.turn + self.origin).view(np.float64).tolist())

    def turned(self, degrees: float, pivot: complex) -> Pose:
        """The same pose, first turned about `pivot` (head units)."""
        turn = np.exp(1j * np.radians(degrees))
        return Pose(self.turn * turn, self.origin + self.turn * pivot * (1 - turn))


def mix(a: RGB, b: RGB, share_of_b: float) -> RGB:
    """Return a colour between two.

    Args:
        a: One.
        b: The other.
        share_of_b: Its share, 0-1.
    """
    red, green, blue = (round(x + (y - x) * share_of_b) for x, y in zip(a, b, strict=True))
    return red, green, blue


def any_colour(rng: Generator, max_saturation: float = 0.5) -> RGB:
    """Return a random colour, none too dark.

    Args:
        rng: The only source of chance.
        max_saturation: 0 for greys only, to 1.
    """
    hsv = rng.random(), rng.uniform(0.05, max_saturation), rng.uniform(0.35, 0.95)
    red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(*hsv))
    return red, green, blue


def oval(centre: complex, rx: float, ry: float, turn: complex = 1.0) -> Points:
    """Return the outline of an ellipse.

    Args:
        centre: Its middle.
        rx: Half its width before it is turned.
        ry: Half its height.
        turn: A complex number of length 1.
    """
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return np.asarray(centre + (rx * np.cos(angle) + 1j * ry * np.sin(angle)) * turn)


def box(a: complex, b: complex) -> Points:
    """Return the outline of the upright rectangle between two corners."""
    return np.array([a, complex(b.real, a.imag), b, complex(a.real, b.imag)])


def curve(start: complex, towards: complex, end: complex) -> Points:
    """Return a bent line, a quadratic Bezier curve."""
    t = np.linspace(0, 1, 16)
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * towards + t**2 * end)


def stroke(line: Points, width: float, bluntness: float = 1.0) -> Points:
    """A brush stroke along `line`, pointed at both ends; bluntness 0.3 makes round ends."""
    along = np.gradient(line)
    taper = np.abs(np.sin(np.linspace(0, np.pi, line.size))) ** bluntness
    half = 1j * along / np.abs(along) * taper * width / 2
    return np.concatenate([line + half, (line - half)[::-1]])


def shaggy(outline: Points, length: float, rng: Generator) -> Points:
    """Pulls every third point outwards and down, so that a smooth outline becomes fur."""
    tuft = rng.uniform(0.3, 1, outline.size) * (np.arange(outline.size) % 3 == 0) * length
    return np.asarray(outline + (outline - outline.mean() + 0.3j) * tuft)


def both_sides(shapes: Shapes) -> Shapes:
    """Return shapes and their mirror images."""
    return shapes + [(-points.conj(), colour) for points, colour in shapes]


def fill(image: Image.Image, shapes: Shapes, pose: Pose) -> None:
    """Paint shapes onto a picture, in their order."""
    draw = ImageDraw.Draw(image)
    for points, colour in shapes:
        draw.polygon(pose.pixels(points), fill=colour)


def furry(
    canvas: Image.Image, pose: Pose, fur: RGB, outlines: list[Points], soft: Shapes, crisp: Shapes
) -> None:
    """Paints one furry part; its marks stay inside, its shadow falls on what is behind it."""
    around, margin = pose.pixels(np.concatenate(outlines)), canvas.width // 16
    spans = [(max(min(v) - margin, 0), max(v) + margin) for v in (around[::2], around[1::2])]
    # Painting only the box around the part, with room for its shadow, is three times faster.
    (left, right), (top, bottom) = ((int(a), min(int(b), canvas.width)) for a, b in spans)
    if left >= right or top >= bottom:
        return  # out of the picture
    near = Pose(pose.turn, pose.origin - complex(left, top))
    far = Pose(near.turn / SOFTENING, near.origin / SOFTENING)
    blur = ImageFilter.GaussianBlur(canvas.width / SOFTENING / 45)
    size = right - left, bottom - top
    small_size = -(-size[0] // SOFTENING), -(-size[1] // SOFTENING)
    shadow, coat = Image.new("L", small_size), Image.new("RGB", small_size, fur)
    mask = Image.new("1", size)
    for outline in outlines:
        ImageDraw.Draw(shadow).polygon(far.pixels(outline + 0.1j), fill=100)
        ImageDraw.Draw(mask).polygon(near.pixels(outline), fill=1)
    shadow = shadow.filter(blur).resize(size, Image.Resampling.BILINEAR)
    canvas.paste(BLACK, (left, top, right, bottom), shadow)
    fill(coat, soft, far)
    coat = coat.filter(blur).resize(size, Image.Resampling.BILINEAR)
    fill(coat, crisp, near)
    canvas.paste(coat, (left, top), mask)
