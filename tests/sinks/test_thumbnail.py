"""A photo made small: of every format that photos come in, whoever decoded it before."""

import subprocess
import sys

import pillow_heif
from PIL import Image

from edgecat.sinks.thumbnail import make_thumbnail

# A process of its own, as after a restart: the photo was answered by the one before.
ALONE = (
    "import sys; from edgecat.sinks.thumbnail import make_thumbnail; "
    "sys.stdout.buffer.write(make_thumbnail(sys.stdin.buffer.read()))"
)


def test_a_photo_whose_decoder_no_one_has_imported_yet_is_made_small(tmp_path):
    path = tmp_path / "cat.heic"
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(path)
    command = [sys.executable, "-c", ALONE]
    done = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == make_thumbnail(path.read_bytes())
