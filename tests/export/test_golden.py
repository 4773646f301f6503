import io

import numpy as np
import pytest
from PIL import Image

from edgecat.export.golden import build_golden, draw_photos
from edgecat.photos.input import IMAGENET
from edgecat.photos.pixels import load_pixels

# Of 8,000,000 bytes that the released model may have, 7,940,000 were in use.
MAX_BYTES = 17_000


class Zeros:
    name = "onnxruntime-fp32"

    def run(self, batch):
        return np.zeros((len(batch), 12), np.float32)


@pytest.fixture(scope="module")
def photos():
    return draw_photos()


def test_the_golden_photos_are_always_the_same(photos):
    assert draw_photos() == photos


def test_the_file_is_small():
    assert len(build_golden([Zeros()], IMAGENET).to_json()) <= MAX_BYTES


def test_the_large_one_is_decoded_at_half_its_size(photos):
    with Image.open(io.BytesIO(photos["large.jpg"])) as image:
        full = image.size
        image.draft("RGB", (2 * IMAGENET.shorter_side_px,) * 2)
        assert image.size == (-(-full[0] // 2), -(-full[1] // 2))


def test_the_turned_one_is_turned_and_no_square(photos):
    image = Image.open(io.BytesIO(photos["turned.jpg"]))
    assert image.getexif()[0x0112] == 6
    assert image.width > image.height
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(load_pixels(upright), load_pixels(photos["turned.jpg"]))


def test_the_transparent_one_is_laid_on_white_and_scaled_up(photos):
    image = Image.open(io.BytesIO(photos["alpha.png"]))
    low, high = image.getchannel("A").getextrema()
    assert low < 50 and high > 200
    assert min(image.size) < IMAGENET.side_px
