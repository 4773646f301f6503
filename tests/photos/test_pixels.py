import contextlib
import importlib.util
import io
import math
import os
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from edgecat.errors import ImageError
from edgecat.photos.decode import MAX_DECODED_PIXELS, MAX_PIXELS, open_photo
from edgecat.photos.input import IMAGENET
from edgecat.photos.pixels import central_crop, load_batch, load_pixels, scale_photo

# JPEG, WebP and palettes change colours a little; 8 of 255 is far below any wrong channel order.
LOSSY_STEPS = 8
# 16-bit to 8-bit and alpha blending round to the next step.
ROUNDING_STEPS = 1

ORANGE = (230, 120, 20)


def encode(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def picture(size=(96, 72), seed=0):
    blotches = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(width_px, height_px, rows, bits=8, colour_type=2):
    """A PNG by hand: Pillow writes neither bombs nor every bit depth."""
    head = struct.pack(">IIBBBBB", width_px, height_px, bits, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def assert_plain(pixels, colour, steps):
    assert pixels.shape == (224, 224, 3)
    assert np.abs(pixels.astype(int) - np.array(colour)).max() <= steps


@pytest.mark.parametrize("ending", [".jpg", ".txt", "", ".PNG"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_format_is_told_by_its_content_whatever_the_ending(tmp_path, format, ending):
    path = tmp_path / f"photo{ending}"
    Image.new("RGB", (300, 260), ORANGE).save(path, format)
    pixels = load_pixels(path)
    assert pixels.dtype == np.uint8
    assert_plain(pixels, ORANGE, LOSSY_STEPS)


MODES = {
    "grey": (Image.new("L", (9, 9), 100), (100, 100, 100)),
    "black and white": (Image.new("1", (9, 9), 1), (255, 255, 255)),
    "palette": (Image.new("RGB", (9, 9), ORANGE).quantize(4), ORANGE),
    "opaque alpha": (Image.new("RGBA", (9, 9), (*ORANGE, 255)), ORANGE),
    "transparent": (Image.new("RGBA", (9, 9), (*ORANGE, 0)), (255, 255, 255)),
    "half transparent": (Image.new("RGBA", (9, 9), (0, 0, 0, 128)), (127, 127, 127)),
    "grey and alpha": (Image.new("LA", (9, 9), (0, 0)), (255, 255, 255)),
    "16-bit grey": (Image.fromarray(np.full((9, 9), 0x6480, np.uint16)), (0x64, 0x64, 0x64)),
}


@pytest.mark.parametrize(("image", "colour"), MODES.values(), ids=MODES)
def test_every_kind_of_picture_comes_out_as_rgb(image, colour):
    for photo in (image, encode(image)):
        assert_plain(load_pixels(photo), colour, ROUNDING_STEPS)


def test_a_cmyk_jpeg_comes_out_as_rgb():
    data = encode(Image.new("RGB", (64, 64), ORANGE).convert("CMYK"), "JPEG", quality=95)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert_plain(load_pixels(data), ORANGE, LOSSY_STEPS)


def test_a_transparent_gif_or_palette_is_laid_on_white():
    for format in ("GIF", "PNG"):
        data = encode(Image.new("P", (9, 9), 0), format, transparency=0)
        assert_plain(load_pixels(data), (255, 255, 255), 0)


def test_a_16_bit_rgb_png_comes_out_at_8_bits():
    rows = (b"\0" + struct.pack(">3H", *(257 * value for value in ORANGE)) * 20) * 20
    assert_plain(load_pixels(write_png(20, 20, rows, bits=16)), ORANGE, ROUNDING_STEPS)


# Exif 2.32, tag 0x0112: where the stored picture's first row and first column belong.
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def corner(pixels, *sides):
    rows = slice(0, 40) if "top" in sides else slice(-40, None)
    columns = slice(0, 40) if "left" in sides else slice(-40, None)
    return pixels[rows, columns].mean(axis=(0, 1))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(("orientation", "sides"), ORIENTATIONS.items())
def test_a_photo_is_turned_upright(orientation, sides, format):
    stored = np.zeros((256, 256, 3), np.uint8)
    stored[:128, :128] = (255, 0, 0)
    stored[:128, 128:] = (0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = load_pixels(encode(Image.fromarray(stored), format, exif=exif))
    assert corner(pixels, *sides).argmax() == 0
    assert corner(pixels, *sides)[0] > 200
    assert corner(pixels, sides[0], OPPOSITE[sides[1]])[1] > 200
    assert corner(pixels, OPPOSITE[sides[0]], sides[1]).max() < 50


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain = load_pixels(encode(picture()))
    assert np.array_equal(load_pixels(encode(picture(), exif=exif)), plain)


def test_a_portrait_photo_is_measured_after_it_was_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = picture((400, 100))
    upright = stored.transpose(Image.Transpose.ROTATE_270)
    assert scale_photo(encode(stored, exif=exif)).shape == scale_photo(upright).shape
    assert np.array_equal(load_pixels(encode(stored, exif=exif)), load_pixels(upright))


NOT_PHOTOS = {
    "empty": b"",
    "text": b"These are not the pixels you are looking for.",
    "PDF": encode(picture(), "PDF"),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "signature alone": b"\x89PNG\r\n\x1a\n",
    "JPEG marker alone": b"\xff\xd8",
    "half a JPEG": (lambda data: data[: len(data) // 2])(encode(picture((400, 300)), "JPEG")),
    "half a PNG": (lambda data: data[: len(data) // 2])(encode(picture((400, 300)))),
    "half a WebP": (lambda data: data[: len(data) // 2])(encode(picture((400, 300)), "WEBP")),
    "half a BMP": (lambda data: data[: len(data) // 2])(encode(picture((400, 300)), "BMP")),
    "bomb": write_png(40_000, 40_000, bytes(10_000)),
    "small bomb": write_png(MAX_PIXELS // 1000 + 1, 1000, bytes(10)),
}


@pytest.mark.parametrize("data", NOT_PHOTOS.values(), ids=NOT_PHOTOS)
def test_what_is_no_photo_is_refused_by_name(tmp_path, data):
    path = tmp_path / "cat.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"^.*cat\.jpg: "):
        load_pixels(path)
    with pytest.raises(ImageError, match=r"^the photo: "):
        load_pixels(data)


def test_the_bombs_are_small_files_of_too_many_pixels():
    assert len(NOT_PHOTOS["bomb"]) < 1000
    with pytest.raises(ImageError, match="pixels"):
        load_pixels(NOT_PHOTOS["bomb"])


def repeat_last_scan(data, times):
    """A progressive JPEG whose last scan comes again and again: 31 bytes more of work each time."""
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + times * scan + data[-2:]


def test_a_jpeg_that_is_gone_over_a_thousand_times_is_refused():
    data = encode(picture((640, 480)), "JPEG", progressive=True)
    load_pixels(repeat_last_scan(data, 20))
    with pytest.raises(ImageError, match="a JPEG in 1010 scans; at most 64"):
        load_pixels(repeat_last_scan(data, 1000))


def test_scans_of_thumbnails_and_of_further_pictures_are_not_counted():
    exif = Image.Exif()
    exif[0x010F] = (b"\xff\xda" * 1000).decode("latin-1")
    data = encode(picture(), "JPEG", exif=exif, comment=b"\xff\xda" * 1000)
    assert np.array_equal(load_pixels(data + 100 * data), load_pixels(data))


SIDE_PX = math.isqrt(MAX_DECODED_PIXELS)
LARGE = {
    "PNG": encode(Image.new("1", (SIDE_PX + 1, SIDE_PX))),
    "WebP": encode(Image.new("RGB", (SIDE_PX + 1, SIDE_PX)), "WEBP"),
    "GIF": encode(Image.new("P", (SIDE_PX + 1, SIDE_PX)), "GIF"),
    "BMP": encode(Image.new("1", (SIDE_PX + 1, SIDE_PX)), "BMP"),
    "narrow JPEG": encode(Image.new("L", (1000, SIDE_PX * 5 + 1)), "JPEG"),
    "progressive JPEG": encode(Image.new("L", (SIDE_PX + 1, SIDE_PX)), "JPEG", progressive=True),
}


@pytest.mark.parametrize("data", LARGE.values(), ids=LARGE)
def test_a_photo_that_would_take_hundreds_of_megabytes_is_refused(data):
    with pytest.raises(ImageError, match=r"would have to be decoded; at most 25,000,000"):
        load_pixels(data)


def test_a_large_camera_jpeg_is_taken_as_only_an_eighth_of_it_is_decoded():
    photo = Image.new("RGB", (SIDE_PX + 1, SIDE_PX), ORANGE)
    assert_plain(load_pixels(encode(photo, "JPEG")), ORANGE, LOSSY_STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "L", "1"])
def test_strips_leave_no_seams(mode):
    """Pictures of more than a million pixels are converted in strips; turned, in other ones."""
    image = picture((1600, 1200))
    grey = image.convert("L")
    if mode in ("RGBA", "LA"):
        image = image.convert("RGB" if mode == "RGBA" else "L")
        image.putalpha(grey)
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    turn = Image.Transpose.FLIP_TOP_BOTTOM
    turned = open_photo(encode(image.transpose(turn))).transpose(turn)
    assert np.array_equal(np.asarray(open_photo(encode(image))), np.asarray(turned))


@pytest.mark.parametrize("name", ["missing.jpg", "missing/a.jpg", "name\nwith\tblanks.jpg"])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(ImageError, match="cannot be read"):
        load_pixels(tmp_path / name)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / ".hidden").touch()
    with pytest.raises(ImageError, match="a folder without photos; give photos"):
        load_pixels(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "cat.jpg").touch()
    with pytest.raises(ImageError, match="a folder; give the photos in it"):
        load_pixels(tmp_path)


def test_a_name_with_a_nul_is_refused_like_any_missing_file():
    with pytest.raises(ImageError):
        load_pixels("a\0b.jpg")


def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(picture()))
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may read everything; nobody may not
    try:
        with pytest.raises(ImageError, match="Permission denied"):
            load_pixels(path)
    finally:
        if root:
            os.seteuid(0)


ARRAYS = {
    "float": np.zeros((9, 9, 3), np.float32),
    "grey": np.zeros((9, 9), np.uint8),
    "alpha": np.zeros((9, 9, 4), np.uint8),
    "planes first": np.zeros((3, 9, 9), np.uint8),
    "batch": np.zeros((1, 9, 9, 3), np.uint8),
    "no pixels": np.zeros((0, 9, 3), np.uint8),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_an_array_of_another_kind_is_refused(array):
    with pytest.raises(ImageError, match=r"accepted is uint8\[H, W, 3\], RGB"):
        load_pixels(array)


def test_an_open_picture_that_is_broken_is_refused_like_its_file():
    data = encode(picture((400, 300)), "JPEG")
    with Image.open(io.BytesIO(data[: len(data) // 2])) as image, pytest.raises(ImageError):
        load_pixels(image)


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(ImageError):
        load_pixels(Image.new("RGB", (0, 5)))


def test_file_bytes_picture_and_array_give_the_same_pixels(tmp_path):
    image = picture((320, 300))
    path = tmp_path / "a.png"
    path.write_bytes(encode(image))
    wanted = load_pixels(path)
    # An array that is a view with strides, as cutting and flipping make it.
    view = np.asarray(image)[:, ::-1][:, ::-1]
    for photo in (str(path), path.read_bytes(), Image.open(path), np.asarray(image), view):
        assert np.array_equal(load_pixels(photo), wanted)


def test_a_callers_picture_and_array_are_left_as_they_were():
    image, array = picture(), np.asarray(picture()).copy()
    load_pixels(image)
    load_pixels(array)
    assert image.tobytes() == picture().tobytes()
    assert np.array_equal(array, np.asarray(picture()))


def test_a_batch_is_its_photos_stacked():
    photos = [picture(seed=0), picture(seed=1)]
    assert np.array_equal(load_batch(photos), np.stack([load_pixels(photo) for photo in photos]))
    assert load_batch([]).shape == (0, 224, 224, 3)


SIZES = [(1, 1), (1, 5000), (5000, 1), (2, 100_000), (4000, 500), (224, 224), (257, 256), (30, 61)]


@pytest.mark.parametrize("size", SIZES)
def test_any_shape_of_photo_stays_bounded(size):
    scaled = scale_photo(Image.new("RGB", size, ORANGE))
    assert min(scaled.shape[:2]) == IMAGENET.shorter_side_px
    assert max(scaled.shape[:2]) <= 2 * IMAGENET.shorter_side_px
    assert_plain(central_crop(scaled), ORANGE, 0)


def test_of_a_panorama_the_middle_is_kept():
    stripes = np.zeros((100, 1000, 3), np.uint8)
    stripes[:, 460:540] = 255
    pixels = load_pixels(stripes)
    # 80 px of the middle become 211 of 224; two pixels at each edge of the stripe are blended.
    assert pixels[:, 10:-10].min() == 255
    assert pixels[:, :3].max() == pixels[:, -3:].max() == 0


def test_the_channels_are_red_green_blue():
    assert_plain(load_pixels(Image.new("RGB", (9, 9), "red")), (255, 0, 0), 0)


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (3840, 2160)])
def test_a_cameras_jpeg_is_decoded_at_a_fraction_of_its_size(size):
    data = encode(Image.new("RGB", size, ORANGE), "JPEG")
    assert min(open_photo(data).size) == 540


# Shorter side below twice what it is scaled to, so that no JPEG is decoded at a fraction.
REFERENCE_SIZES = [(256, 256), (300, 260), (259, 256), (333, 500), (500, 375), (97, 61), (511, 300)]


@pytest.fixture(scope="module")
def reference_crop():
    """torchvision's own preprocessing, as of MobileNetV3's weights but for the shorter side."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("needs torchvision (edgecat[train])")
    from edgecat.train.vision import import_torchvision

    import_torchvision()
    from torchvision.transforms import functional as tv

    def crop(image):
        sides_px = [IMAGENET.shorter_side_px]
        resized = tv.resize(image, sides_px, tv.InterpolationMode.BILINEAR, antialias=True)
        return np.asarray(tv.center_crop(resized, [IMAGENET.side_px]))

    return crop


@pytest.mark.parametrize("size", REFERENCE_SIZES)
def test_the_pixels_are_those_of_torchvisions_transforms(reference_crop, size):
    data = encode(picture(size, seed=7), "JPEG", quality=90)
    with Image.open(io.BytesIO(data)) as image:
        same = np.array_equal(load_pixels(data), reference_crop(image.convert("RGB")))
    assert same


def test_real_photos_match_torchvisions_transforms(shared, reference_crop):
    compared, different = 0, []
    for folder in sorted((shared / "cats").iterdir()):
        for path in sorted(folder.iterdir())[:6]:
            with Image.open(path) as image:
                short_px, long_px = sorted(image.size)
                if short_px < 2 * IMAGENET.shorter_side_px and long_px <= 2 * short_px:
                    wanted = reference_crop(image.convert("RGB"))
                    compared += 1
                    if not np.array_equal(load_pixels(path), wanted):
                        different.append(path.name)
    assert compared >= 30
    assert different == []


def mutate(data, rng, start=0, stop=None):
    """Damage a file as bad disks, half downloads and strange writers do."""
    stop = stop or len(data)
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 2, 8, 40])):
        damaged[rng.randrange(start, stop)] = rng.choice(
            [0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)]
        )
    kind = rng.randrange(5)
    if kind == 0:
        del damaged[rng.randrange(start, stop) :]
    elif kind == 1:
        at = rng.randrange(start, stop)
        damaged[at:at] = rng.randbytes(rng.randrange(1, 20))
    elif kind == 2:
        at = rng.randrange(start, stop)
        del damaged[at : at + rng.randrange(1, 20)]
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF"])
def test_a_damaged_file_answers_or_is_refused(format, seed):
    """25 times 16 damaged files; any other exception fails."""
    rng = random.Random(f"{format} {seed}")
    whole = encode(picture((48, 40), seed), format, **({"lossless": True} if seed == 1 else {}))
    refused = 0
    for _ in range(25):
        try:
            assert load_pixels(mutate(whole, rng)).shape == (224, 224, 3)
        except ImageError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_answers_or_is_refused(format):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "maker"
    exif[0x011A] = 72.0
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    block = exif.tobytes()
    rng = random.Random(format)
    for _ in range(150):
        damaged = mutate(block, rng, start=6 if block.startswith(b"Exif") else 0)
        photo = encode(picture((16, 12)), format, exif=damaged)
        with contextlib.suppress(ImageError):
            assert load_pixels(photo).shape == (224, 224, 3)
