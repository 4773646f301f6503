"""Procedural cat drawings: a small data set for machines without photos or network.

These are DRAWINGS, NOT PHOTOS. They exist so that the whole path (scan, split, train, export)
can be walked offline. A score on them says nothing about real cats.

Every part of a cat is a polygon in *head units*: 1 is half the width of the head, the origin lies
between the eyes, x points right, y down. Points are complex numbers x + yj, so that turning is
multiplying. A `Pose` takes them to pixels, `furry` paints one furry part, and `_develop` adds
what a camera would: light, blur and noise. All colours are (red, green, blue), 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter, ImageOps

from edgecat.photos.brush import (
    BLACK,
    RGB,
    Points,
    Pose,
    Shapes,
    any_colour,
    both_sides,
    box,
    curve,
    fill,
    furry,
    mix,
    oval,
    shaggy,
    stroke,
)

OVERSAMPLING = 2  # draw larger, then shrink: smooth edges
JPEG_QUALITY = 90
EYE_X, EYE_HALF_WIDTH, EYE_SLANT = 0.43, 0.23, 0.97 - 0.24j
WHITE, PINK, GOLD = (255, 255, 255), (230, 140, 140), (242, 200, 70)
SKY, GRASS = (150, 200, 240), (110, 160, 96)


@dataclass(frozen=True)
class Coat:
    """What sets a breed apart. Colours are (red, green, blue), lengths are in head units."""

    fur: RGB
    dark: RGB  # marks, points, shade
    light: RGB  # muzzle, chest
    eye: RGB
    nose: RGB
    pattern: Literal["solid", "ticked", "spots", "stripes", "points", "wrinkles"]
    ear_height: float = 0.85
    ear_width: float = 0.62
    ear_lean: float = 0.12  # how far the tips lean outwards
    fur_length: float = 0.05
    jaw: float = 0.25  # 0: round face, 0.5: wedge
    nose_y: float = 0.34
    eye_half_height: float = 0.19


BREEDS: dict[str, Coat] = {
    "Abyssinian": Coat((190, 112, 60), (104, 56, 32), (232, 186, 140), (196, 184, 70),
        (186, 96, 80), "ticked", ear_height=1.05, ear_width=0.7, ear_lean=0.26, jaw=0.36),
    "Bengal": Coat((220, 164, 94), (70, 40, 24), (246, 224, 188), (140, 184, 84),
        (190, 100, 84), "spots", ear_height=0.72, ear_width=0.58, ear_lean=0.2, jaw=0.28),
    "Bombay": Coat((46, 42, 48), (18, 16, 20), (70, 66, 76), (222, 136, 34),
        (26, 22, 26), "solid", ear_height=0.74, jaw=0.14, eye_half_height=0.22),
    "Maine Coon": Coat((152, 118, 84), (62, 44, 32), (224, 204, 174), (188, 184, 84),
        (178, 100, 90), "stripes", 1.12, 0.6, 0.06, 0.2, jaw=0.2, nose_y=0.4),
    "Persian": Coat((236, 214, 184), (190, 152, 118), (252, 244, 230), (224, 144, 48),
        (222, 140, 132), "solid", 0.5, 0.5, 0.2, 0.24, jaw=0.0, nose_y=0.12, eye_half_height=0.24),
    "Russian Blue": Coat((122, 134, 152), (78, 88, 106), (158, 170, 186), (122, 196, 88),
        (92, 92, 108), "solid", ear_height=0.96, ear_width=0.64, jaw=0.3),
    "Siamese": Coat((236, 222, 200), (80, 60, 52), (250, 242, 228), (84, 156, 228),
        (66, 48, 46), "points", 1.08, 0.72, 0.34, jaw=0.46, eye_half_height=0.16),
    "Sphynx": Coat((232, 186, 170), (198, 136, 126), (246, 212, 198), (150, 196, 190),
        (220, 138, 136), "wrinkles", 1.3, 0.82, 0.36, fur_length=0.0, jaw=0.42),
}  # fmt: skip


def _marks(coat: Coat, rng: Generator, on_body: bool) -> Shapes:
    """The crisp pattern of the head or the body, drawn generously: `furry` cuts it to shape."""
    mark, pale = mix(coat.fur, coat.dark, rng.uniform(0.65, 0.95)), mix(coat.fur, coat.light, 0.5)
    num_hairs = {"ticked": 130, "points": 0, "wrinkles": 0}.get(coat.pattern, 40) * (1 + on_body)
    roots = rng.uniform(-1.2, 1.2, (num_hairs, 1)) + 1j * rng.uniform(-1, 1, (num_hairs, 1))
    hairs = roots + np.array([0, 0.03, 0.02 + 0.17j]) + 2.2j * on_body
    colours = (mark if coat.pattern == "ticked" else coat.fur, pale)
    marks = [(hair, colours[k % 2]) for k, hair in enumerate(hairs)]
    if coat.pattern == "spots" and on_body:  # rosettes: dark rings with a paler heart
        grid = np.add.outer(np.arange(-1.2, 1.3, 0.3), np.arange(0.8, 3.6, 0.3) * 1j).ravel()
        for spot in grid + rng.normal(0, 0.06, grid.size) * (1 + 1j):
            size = rng.uniform(0.07, 0.13)
            marks.append((oval(spot, size, size * 0.8), mark))
            marks.append((oval(spot, size / 2, size * 0.4), mix(coat.fur, mark, 0.4)))
    lines, width = [], 0.06 if coat.pattern in ("ticked", "wrinkles") else 0.14
    if coat.pattern == "wrinkles":
        start, stop, step = (0.9, 2.4, 0.28) if on_body else (-0.8, -0.35, 0.13)
        folds = (np.arange(start, stop, step) + rng.uniform(-0.05, 0.05)).tolist()
        lines = [curve(y * 1j - 0.6, (y + 0.24) * 1j, y * 1j + 0.6) for y in folds]
    elif coat.pattern == "stripes" and on_body:
        folds = (np.arange(1.0, 3.5, 0.3) + rng.uniform(-0.1, 0.1)).tolist()
        lines = [curve(1.4 + (y - 0.2) * 1j, 0.8 + (y + 0.25) * 1j, 0.3 + y * 1j) for y in folds]
    elif coat.pattern in ("ticked", "spots", "stripes") and not on_body:  # M on brow, cheek lines
        lines = [curve(x - 1j, 0.7 * x - 0.6j, 1.2 * x - 0.32j) for x in (0.1, 0.3, 0.52)]
        lines += [curve(1.1 + y, 0.85 + y + 0.2j, 0.62 + y) for y in (0.1j, 0.34j)]
    return marks + both_sides([(stroke(line, width), mark) for line in lines])


def _draw_body(canvas: Image.Image, pose: Pose, coat: Coat, point: RGB, rng: Generator) -> None:
    """A sitting cat from the front: tail, trunk and haunches, front legs, collar, mane."""
    fur, fluff, marks = coat.fur, coat.fur_length, _marks(coat, rng, on_body=True)
    shade, stout = mix(fur, coat.dark, 0.4), rng.uniform(0.85, 1.05) + fluff / 2
    tail = curve(0.6 + 3.2j, rng.uniform(1.8, 2.8) + 3.5j, rng.uniform(1.4, 2) + 1.4j)
    furry(canvas, pose, point, [stroke(tail, 0.26 + 1.2 * fluff, 0.3)], [], marks)
    trunk = [oval(1.8j, 0.78 * stout, 1.3), oval(2.8j, 1.1 * stout, 0.75)]
    soft = [(oval(x + 2.4j, 0.5, 1.6), shade) for x in (-1.1, 1.1)]
    soft.append((oval(1.3j, 0.4, 0.7), coat.light))
    furry(canvas, pose, fur, [shaggy(part, fluff / 2, rng) for part in trunk], soft, marks)
    legs = [oval(x + 2.5j, 0.25, 0.95) for x in (-0.31, 0.31)]
    legs += [oval(x + 3.36j, 0.31, 0.19) for x in (-0.34, 0.34)]
    soft = [(oval(x + 3.2j, 0.3, 0.5), point) for x in (-0.31, 0.31)]
    furry(canvas, pose, fur, legs, soft, marks[::3])
    if rng.random() < 0.3:
        collar = stroke(curve(-0.85 + 0.7j, 1.5j, 0.85 + 0.7j), 0.2, 0.3), any_colour(rng, 0.9)
        fill(canvas, [collar, (oval(1.2j, 0.11, 0.11), GOLD)], pose)
    if fluff > 0.1:
        mane = [shaggy(oval(y, 1.1, 0.9), fluff, rng) for y in (0.6j, 0.75j)]
        furry(canvas, pose, coat.light, mane, [(oval(0.2j, 1.3, 0.6), shade)], [])


def _draw_head(canvas: Image.Image, pose: Pose, coat: Coat, point: RGB, rng: Generator) -> None:
    """Ears first, then the head over them, then the face."""
    gaze = complex(rng.uniform(-0.22, 0.22), rng.uniform(-0.1, 0.14))

    def facing(points: Points) -> Points:
        """Turns the face like a ball: the middle moves most, the rim stays."""
        x, y = np.clip(1 - points.real**2, 0, 1), np.clip(1 - points.imag**2, 0, 1)
        return np.asarray(points + gaze.real * x + 1j * gaze.imag * y)

    inner, outer = 0.9 - coat.ear_width - 0.6j, 0.96 - 0.05j
    tip = 0.72 + coat.ear_lean - (0.5 + coat.ear_height) * 1j
    rise, fall = complex(inner.real, tip.imag * 0.7), (tip + outer) / 2 + 0.12
    ear = np.concatenate([curve(inner, rise, tip), curve(tip, fall, outer)])
    lining = (ear.mean() + (ear - ear.mean()) * 0.66, mix(PINK, point, 0.45))
    hairs = [curve(x - 0.55j, x - 0.75j, (x - 0.55j + tip) / 2) for x in (0.46, 0.56, 0.66)]
    wisps = [(stroke(hair, 0.06), coat.light) for hair in hairs if coat.fur_length]
    furry(canvas, pose, point, [ear, -ear.conj()], both_sides([lining]), both_sides(wisps))
    if coat.pattern == "stripes":  # a lynx's tufts
        tufts = [curve(tip + 0.25j, tip, tip - 0.3j + lean) for lean in (-0.12, 0.0, 0.12)]
        fill(canvas, both_sides([(stroke(tuft, 0.09), coat.dark) for tuft in tufts]), pose)
    head = oval(0.05j, 1, rng.uniform(0.84, 0.96))
    head.real *= 1 - coat.jaw * np.clip(head.imag, 0, 1)
    muzzle = both_sides([(oval(0.2 + (coat.nose_y + 0.2) * 1j, 0.27, 0.2), coat.light)])
    soft = [(oval(0.3j, 0.5, 0.6), point)] if coat.pattern == "points" else muzzle
    soft = [(oval(0.95j, 1.2, 0.35), mix(coat.fur, coat.dark, 0.4)), *soft]
    soft, crisp, face = (
        [(facing(points), colour) for points, colour in shapes]
        for shapes in (soft, _marks(coat, rng, on_body=False), _face(coat, rng))
    )
    furry(canvas, pose, coat.fur, [shaggy(head, coat.fur_length, rng)], soft, crisp)
    fill(canvas, face, pose)


def _face(coat: Coat, rng: Generator) -> Shapes:
    """Eyes, nose, mouth and whiskers, seen straight on."""
    rim, nose, wide = mix(coat.dark, BLACK, 0.6), coat.nose_y * 1j, EYE_HALF_WIDTH
    high = coat.eye_half_height * rng.uniform(0.8, 1.1)
    eye: Shapes = [
        (oval(EYE_X, wide + 0.05, high + 0.05, EYE_SLANT), rim),
        (oval(EYE_X, wide, high, EYE_SLANT), mix(coat.eye, BLACK, 0.25)),
        (oval(EYE_X + 0.03j, wide * 0.8, high * 0.8, EYE_SLANT), coat.eye),
        (oval(EYE_X, rng.uniform(0.05, 0.14), high * 0.88), BLACK),
        (oval(EYE_X - 0.06 - high * 0.4j, 0.055, 0.055), WHITE),
    ]
    wink = stroke(curve(-EYE_X - wide, 0.25j - EYE_X, wide - EYE_X), 0.09), rim
    shapes = [*eye, wink] if rng.random() < 0.06 else both_sides(eye)
    if rng.random() < 0.2:
        shapes.append((oval(nose + 0.28j, 0.09, 0.13), PINK))  # the tip of a tongue
    shapes.append((oval(nose, 0.14, 0.07), coat.nose))
    shapes.append((nose + np.array([-0.12, 0.12, 0.14j]), coat.nose))
    smile = stroke(curve(nose + 0.08j, nose + 0.04 + 0.34j, nose + 0.3 + 0.2j), 0.05), rim
    spread = () if coat.pattern == "wrinkles" else (-0.2j, 0j, 0.2j)
    whiskers = [curve(nose + 0.3 + 0.17j, nose + 0.9 + y, nose + 1.5 + 0.2j + y) for y in spread]
    return shapes + both_sides([smile, *((stroke(line, 0.03), WHITE) for line in whiskers)])


def _room(rng: Generator) -> Shapes:
    """What is behind the cat, in a square from 0 to 1 with a margin for a tilted camera."""
    wall, other, accent = any_colour(rng, 0.35), any_colour(rng), any_colour(rng, 0.7)
    at, far = complex(rng.uniform(0.2, 0.8), rng.uniform(0.5, 0.9)), 2 + 2j
    step, panes, seats = rng.uniform(0.08, 0.25), (-0.46, -0.03), (-1, -0.5, 0, 0.5)
    bands = [k / 40 for k in range(40)]
    gradient = [(box(y * 1j - 1, far), mix(wall, accent, y)) for y in bands]
    rings = zip((0.8, 0.65, 0.5, 0.3), (accent, wall, accent, wall), strict=True)
    picture = box(at - rng.uniform(0.1, 0.4) - 0.6j, at + rng.uniform(0, 0.3) - 0.15j)
    window = box(at - 0.5 - 0.9j, at + 0.4 - 0.1j), mix(wall, WHITE, 0.7)
    sky = [(box(at + x - 0.86j, at + x + 0.39 - 0.15j), SKY) for x in panes]
    garden = [(box(at + x - 0.3j, at + x + 0.39 - 0.15j), GRASS) for x in panes]
    sofa = [(box(at + x - 0.5j, at + x + 0.48), accent) for x in seats]
    seat = (box(at - 3 + 0.03j, far), accent), (oval(at - 0.1j, 0.2, 0.2), other)
    scenes: list[Shapes] = [
        [],  # just a wall with a picture
        [*gradient, (oval(at - 0.35j, step, step), other)],  # with a lamp
        [(box(t - 1j, t + step / 2 + 2j), other) for t in np.arange(-0.5, 1.5, step).tolist()],
        [(oval(at + 0.2j, r, r * 0.35), colour) for r, colour in rings],
        [(box(at - 3 - 0.54j, far), mix(accent, BLACK, 0.3)), *sofa, *seat],
        [window, *sky, *garden, (box(-1 - 1j, at - 0.36), accent)],  # with a curtain
    ]
    ground = [(box(-1 - 1j, far), wall), (picture, accent), (box(at - 3, far), other)]
    return ground + scenes[rng.integers(len(scenes))]


def _develop(image: Image.Image, rng: Generator) -> Image.Image:
    """Light from one side, a tint, contrast, a little blur and sensor noise."""
    image = image.filter(ImageFilter.GaussianBlur(max(0.0, rng.uniform(-0.6, 0.9))))
    pixels = np.asarray(image, dtype=np.float32)
    ramp = np.linspace(-1, 1, image.width, dtype=np.float32)
    light = 1 + np.add.outer(ramp * rng.uniform(-0.12, 0.12), ramp * rng.uniform(-0.12, 0.12))
    tint = (rng.uniform(0.85, 1.15) * rng.uniform(0.94, 1.06, 3)).astype(np.float32)
    noise = rng.standard_normal(light.shape, dtype=np.float32) * np.float32(rng.uniform(1, 7))
    lit = (pixels - 128) * np.float32(rng.uniform(0.8, 1.15)) + 128
    graded = lit * light[..., None] * tint + noise[..., None]
    return Image.fromarray(np.clip(graded, 0, 255).astype(np.uint8))


def draw_cat(breed: str, rng: Generator, side_px: int = 256) -> Image.Image:
    """Draws one cat.

    Args:
        breed: A key of `BREEDS`.
        rng: The only source of chance: the same state gives the same picture.
        side_px: Width and height of the picture, in pixels.

    Returns:
        A square picture, mode RGB (red, green, blue).
    """
    coat, dye, share = BREEDS[breed], any_colour(rng, 0.3), rng.uniform(0, 0.16)
    fur, dark, light = (mix(colour, dye, share) for colour in (coat.fur, coat.dark, coat.light))
    ear_height = coat.ear_height * rng.uniform(0.88, 1.12)
    coat = replace(coat, fur=fur, dark=dark, light=light, ear_height=ear_height)
    point = dark if coat.pattern == "points" else fur  # ears, tail, mask and feet
    room = Image.new("RGB", (side_px, side_px))
    fill(room, _room(rng), Pose(side_px, 0).turned(rng.uniform(-12, 12), 0.5 + 0.5j))
    room = room.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.012) * side_px))
    canvas = room.resize((side_px * OVERSAMPLING,) * 2, Image.Resampling.BILINEAR)
    origin = complex(rng.uniform(0.28, 0.72), rng.uniform(0.36, 0.56))
    upright = Pose(canvas.width * rng.uniform(0.13, 0.26), canvas.width * origin)
    body = upright.turned(rng.uniform(-8, 8), 0)
    _draw_body(canvas, body, coat, point, rng)
    _draw_head(canvas, body.turned(rng.uniform(-14, 14), 0.8j), coat, point, rng)
    picture = canvas.reduce(OVERSAMPLING)
    return _develop(ImageOps.mirror(picture) if rng.random() < 0.5 else picture, rng)


def draw_dataset(folder: Path, num_per_breed: int = 48, seed: int = 0) -> int:
    """Writes `folder/<Breed_with_underscores>/0001.jpg` and so on.

    Each picture has its own seed, so a larger set starts with the pictures of a smaller one.

    Args:
        folder: Made if missing; pictures of the same name are overwritten.
        num_per_breed: Pictures of each breed.
        seed: The same seed writes the same bytes.

    Returns:
        The number of files written.
    """
    for index, breed in enumerate(BREEDS):
        place = folder / breed.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(1, num_per_breed + 1):
            picture = draw_cat(breed, np.random.default_rng((seed, index, number)))
            picture.save(place / f"{number:04}.jpg", quality=JPEG_QUALITY)
    return len(BREEDS) * num_per_breed
