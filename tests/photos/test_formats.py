"""Formats told by their content: read, or named with a way out."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from edgecat.errors import ImageError, UnsupportedImageError
from edgecat.photos.decode import find_oddities, open_photo
from edgecat.photos.formats import FORMATS
from edgecat.photos.pixels import load_pixels

pillow_heif = pytest.importorskip("pillow_heif", reason="needs edgecat[heic]")
pillow_heif.register_heif_opener()

#: Lossy formats move colours of a smooth picture by a few of 255 steps.
LOSSY_STEPS = 8

RAMP = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (256, 1))


def picture(size=(96, 72)):
    blotches = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC)


def encode(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def write_tiff(samples, tags, order="<"):
    """A TIFF by hand, one strip: Pillow does not write every kind that it, or a camera, makes."""
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    height_px, width_px = samples.shape[:2]
    entries = {
        256: width_px, 257: height_px, 258: 8 * samples.itemsize, 259: 1, 262: 1, 273: 8,
        277: 1, 278: height_px, 279: len(data),
    } | tags  # fmt: skip
    directory = struct.pack(f"{order}H", len(entries))
    for code, value in sorted(entries.items()):
        directory += struct.pack(f"{order}HHII", code, 4, 1, value)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8 + len(data))
    return head + data + directory + bytes(4)


TIFFS = {
    "plain": {},
    "LZW": {"compression": "tiff_lzw"},
    "deflate": {"compression": "tiff_adobe_deflate"},
    "PackBits": {"compression": "packbits"},
    "big": {"big_tiff": True},
}


@pytest.mark.parametrize("options", TIFFS.values(), ids=TIFFS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "P", "1"])
def test_a_tiff_is_read_as_a_png_of_the_same_picture(mode, options):
    image = picture().convert(mode)
    lossless = image.convert("RGB") if mode == "CMYK" else image
    expected = load_pixels(encode(lossless, "PNG"))
    assert np.array_equal(load_pixels(encode(image, "TIFF", **options)), expected)


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_photos_of_phones_are_read(format):
    found = np.asarray(open_photo(encode(picture(), format, quality=95))).astype(int)
    assert np.abs(found - np.asarray(picture())).mean() <= LOSSY_STEPS


def test_a_heic_called_jpg_is_read(tmp_path):
    file = tmp_path / "IMG_1.jpg"
    file.write_bytes(encode(picture(), "HEIF"))
    assert load_pixels(file).shape == (224, 224, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_16_bit_tiff_is_scaled_to_8_bits(order):
    grey = np.asarray(open_photo(write_tiff(RAMP, {}, order)))
    assert np.array_equal(grey, np.repeat((RAMP >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_a_16_bit_colour_tiff_is_scaled_to_8_bits():
    samples = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2], axis=-1)
    data = encode(Image.fromarray((samples >> 8).astype(np.uint8)), "PNG")
    tiff = write_colour_tiff(samples)
    assert np.array_equal(np.asarray(open_photo(tiff)), np.asarray(open_photo(data)))


def write_colour_tiff(samples):
    height_px, width_px, _ = samples.shape
    info = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    data = samples.astype("<u2").tobytes()
    info[256], info[257], info[258] = width_px, height_px, (16, 16, 16)
    info[259], info[262], info[273], info[277] = 1, 2, 0, 3
    info[278], info[279] = height_px, len(data)
    return b"II*\0" + struct.pack("<I", 8) + info.tobytes(8) + data


def test_an_x_ray_whose_white_is_zero_is_turned_around():
    plain, inverted = (open_photo(write_tiff(RAMP, {262: kind})) for kind in (1, 0))
    assert np.array_equal(np.asarray(plain), 255 - np.asarray(inverted))


@pytest.mark.parametrize("tags", [{}, {262: 0}, {256: 16, 258: 12}], ids=["16", "x-ray", "12"])
def test_an_open_tiff_gives_the_pixels_of_its_file(tags):
    samples = np.frombuffer(bytes([0x00, 0x0F, 0xFF] * 64), np.uint8).reshape(8, 24)
    tiff = write_tiff(samples if 258 in tags else RAMP, tags)
    with Image.open(io.BytesIO(tiff)) as image:
        assert np.array_equal(load_pixels(image), load_pixels(tiff))


def test_an_open_tiff_of_floating_point_numbers_is_refused_like_its_file():
    tiff = encode(Image.fromarray(RAMP.astype(np.float32)), "TIFF")
    with (
        Image.open(io.BytesIO(tiff)) as image,
        pytest.raises(UnsupportedImageError, match="floating-point"),
    ):
        load_pixels(image)


def test_a_small_picture_in_a_huge_tile_is_refused():
    """One tile of deflated zeros: 1 MB that took a gigabyte and eight seconds."""

    def write_tiled(side_px):
        tile = np.frombuffer(zlib.compress(bytes(side_px**2)), np.uint8)
        place = {322: side_px, 323: side_px, 324: 8, 325: tile.size}
        return write_tiff(tile[None], {256: 300, 257: 300, 259: 8} | place)

    assert load_pixels(write_tiled(512)).shape == (224, 224, 3)
    with pytest.raises(ImageError, match=r"of which 25,010,001 would have to be decoded"):
        load_pixels(write_tiled(5001))


def test_of_several_pages_the_first_is_taken_and_it_is_told():
    pages = [picture(), Image.new("RGB", (50, 40), "red")]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert np.array_equal(load_pixels(data), load_pixels(encode(pages[0], "TIFF")))
    assert find_oddities(data) == ("has several pages, of which the first is taken",)
    assert find_oddities(encode(pages[0], "TIFF")) == ()


def test_a_12_bit_picture_in_16_bits_is_told_to_lose_most_of_itself():
    (told,) = find_oddities(write_tiff(RAMP >> 4, {}))
    assert "has 4095 of 65535 steps between its darkest and its brightest pixel" in told
    assert find_oddities(write_tiff(RAMP, {})) == ()


def test_a_packed_12_bit_tiff_has_its_whole_range():
    black_and_white = np.frombuffer(bytes([0x00, 0x0F, 0xFF] * 64), np.uint8).reshape(8, 24)
    tiff = write_tiff(black_and_white, {256: 16, 258: 12})
    assert find_oddities(tiff) == ()
    assert np.asarray(open_photo(tiff))[0, :2, 0].tolist() == [0, 255]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_nothing_is_told_of_a_plain_photo(format):
    assert find_oddities(encode(picture(), format)) == ()


UNREAD = {
    "JPEG XL": b"\xff\x0a\0\0",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "DICOM": bytes(128) + b"DICM",
    "Photoshop": b"8BPS\0\1",
    "PDF": b"%PDF-1.7",
    "SVG": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
    "camera raw": b"FUJIFILMCCD-RAW ",
    "video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "thumbnail": write_tiff(RAMP, {254: 1}),
    "begins with a thumbnail": write_tiff(RAMP, {50706: 1}),
    "floating-point": encode(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
}


@pytest.mark.parametrize(("kind", "data"), UNREAD.items(), ids=UNREAD)
def test_a_known_format_that_is_not_read_is_named_with_a_way_out(kind, data):
    with pytest.raises(UnsupportedImageError, match=kind) as caught:
        load_pixels(data)
    assert "convert PHOTO photo.jpg" in str(caught.value) or "8 or 16 bits" in str(caught.value)


def test_a_tiff_of_a_kind_that_no_decoder_knows_is_named():
    with pytest.raises(ImageError, match="a TIFF that cannot be read"):
        load_pixels(write_tiff(RAMP, {262: 0}, ">"))


def test_an_avif_that_calls_itself_mif1_first_is_avif():
    data = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"
    assert next(item.name for item in FORMATS if item.begins(data)) == "AVIF"


@pytest.mark.parametrize(
    ("format", "module", "mended_by"),
    [
        ("HEIF", "pillow_heif", "pip install 'edgecat[heic]'"),
        ("AVIF", "PIL.AvifImagePlugin", "pip install 'pillow>=11.3'"),
    ],
)
def test_without_its_decoder_a_format_is_named_with_the_command_that_brings_it(
    tmp_path, format, module, mended_by
):
    file = tmp_path / "cat.jpg"
    file.write_bytes(encode(picture(), format))
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from edgecat.photos.pixels import load_pixels\n"
        "try:\n    load_pixels(sys.argv[1])\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"UnsupportedImageError {file}: {format}, which is not read")
    assert mended_by in done.stdout


def test_a_gif_that_is_cut_off_anywhere_is_looked_at_without_a_traceback():
    frames = [Image.new("L", (8, 8), light) for light in (0, 255)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    for num_bytes in range(13, len(out.getvalue())):
        for told in find_oddities(out.getvalue()[:num_bytes]):
            assert told.startswith("has ")
