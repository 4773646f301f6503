"""Are blurred, dark and screenshot-like photos found, and good ones left alone?

python -m benchmarks.accuracy.audit_looks ../shared/cats ../shared/not-cats

Every tenth cat is spoiled: blurred at the size that a model gets, or darkened; pages of text are
drawn at the sizes of screens. The share of good photos that a check finds is of all photos as they
are, some of which are blurred, dark or nearly plain in truth.
"""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from benchmarks.results import write_result
from edgecat.audit.checks.blurred import describe_blurred
from edgecat.audit.checks.dark import describe_dark
from edgecat.audit.checks.plain import describe_plain
from edgecat.audit.look import Look, measure_look
from edgecat.photos.input import IMAGENET, InputSpec
from edgecat.photos.pixels import scale_photo

_CHECKS: dict[str, Callable[[Look, InputSpec], str]] = {
    "blurred": describe_blurred,
    "dark": describe_dark,
    "plain": describe_plain,
}
_SIDE_PX = IMAGENET.shorter_side_px


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("strangers", type=click.Path(path_type=Path))
def main(data: Path, strangers: Path) -> None:
    """Let the checks look at good, spoiled and drawn pictures."""
    cats = sorted(data.glob("*/*.jpg"))
    opened = [Image.open(path).convert("RGB") for path in cats[::10]]
    kinds: dict[str, Iterable[bytes]] = {
        "cats as they are": (path.read_bytes() for path in cats),
        "others as they are": (path.read_bytes() for path in sorted(strangers.glob("*.jpg"))),
        **{f"blurred by {px} px": [save(blur(i, px)) for i in opened] for px in (1, 2, 3)},
        **{
            f"{100 * share:.0f} % of the light": [save(darken(i, share)) for i in opened]
            for share in (0.3, 0.15)
        },
        "pages of text": (
            save(draw_page(*size)) for size in ((412, 915), (1280, 800), (820, 1180))
        ),
    }
    rows = []
    for kind, photos in kinds.items():
        looks = [measure_look(photo, scale_photo(photo)) for photo in photos]
        found = {
            name: sum(bool(say(look, IMAGENET)) for look in looks) for name, say in _CHECKS.items()
        }
        rows.append({"kind": kind, "num_photos": len(looks), "found": found})
        click.echo(rows[-1])
    write_result("audit_looks", {"rows": rows})


def blur(image: Image.Image, radius_px: float) -> Image.Image:
    """Return a photo blurred by so much of what a model gets."""
    scale = _SIDE_PX / min(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)))
    return small.filter(ImageFilter.GaussianBlur(radius_px))


def darken(image: Image.Image, share: float) -> Image.Image:
    """Return a photo with a share of its light."""
    return ImageEnhance.Brightness(image).enhance(share)


def draw_page(width_px: int, height_px: int) -> Image.Image:
    """Return a page of text with a bar at its top."""
    page = Image.new("RGB", (width_px, height_px), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, width_px, 56), fill="#3b5998")
    for line in range(8, height_px // 12):
        pen.text((16, 12 * line), (__doc__ or "")[10 * line :][: width_px // 9], fill="black")
    return page


def save(image: Image.Image) -> bytes:
    """Return a picture as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
