"""Frames are found in any stream of bytes: real JPEGs, cut anywhere, with rubbish in between."""

import io
import random

import pytest
from PIL import Image

from edgecat.errors import ImageError
from edgecat.photos.pixels import load_pixels
from edgecat.stream.frames import (
    BROKEN,
    CUT_OFF,
    NO_FRAME,
    READ_AHEAD,
    THUMBNAIL,
    TOO_LARGE,
    read_frames,
)

MAX_BYTES = 300_000


def encode(seed, size=(64, 48), **options):
    noise = random.Random(seed).randbytes(3 * size[0] * size[1])
    file = io.BytesIO()
    Image.frombytes("RGB", size, noise).save(file, "JPEG", **options)
    return file.getvalue()


PLAIN = encode(1)
THUMB = encode(1000, (16, 16))
FRAMES = {
    "baseline": PLAIN,
    "progressive": encode(2, progressive=True),
    "restart markers": encode(3, restart_marker_blocks=1),
    "grey, optimized": encode(4, optimize=True),
    # A whole JPEG at the end of the EXIF segment, as cameras write it.
    "thumbnail": encode(5, exif=b"Exif\0\0" + THUMB),
    "fill bytes": PLAIN[:2] + b"\xff\xff\xff" + PLAIN[2:-2] + b"\xff\xff" + PLAIN[-2:],
    "comment with markers": PLAIN[:2] + b"\xff\xfe\x00\x08\xff\xd9\xff\xd8\xff\xd9" + PLAIN[2:],
}


def split(data, *, chunk=lambda: 65536, max_bytes=MAX_BYTES):
    """Return the frames and the reasons of what was skipped."""
    source, reasons = io.BytesIO(data), []
    frames = read_frames(
        lambda size: source.read(min(size, chunk())), max_bytes=max_bytes, on_skipped=reasons.append
    )
    return list(frames), reasons


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_kind_of_frame_comes_out_as_it_went_in(frame):
    assert split(3 * frame) == ([frame] * 3, [])


@pytest.mark.parametrize("seed", range(5))
def test_where_the_stream_is_cut_into_pieces_makes_no_difference(seed):
    rng = random.Random(seed)
    frames = list(FRAMES.values())
    data = b"".join(frames)
    assert split(data, chunk=lambda: rng.choice([1, 2, 3, 1000, 5000])) == (frames, [])


def test_a_frame_comes_out_with_its_last_byte_and_does_not_wait_for_the_next():
    source = io.BytesIO(PLAIN)

    def read(size):
        data = source.read(size)
        assert data, "read on behind the end of the frame"
        return data

    frames = read_frames(read, max_bytes=MAX_BYTES, on_skipped=lambda reason: None)
    assert next(frames) == PLAIN


@pytest.mark.parametrize(
    "rubbish",
    [b"hello", b"\xff", b"\xff\xd9", b"\xd8\xff", b"\xff\xd8", bytes(100_000), PLAIN[50:]],
    ids=["text", "half a marker", "EOI", "reversed", "SOI alone", "zeros", "tail of a frame"],
)
def test_rubbish_between_frames_is_skipped(rubbish):
    first, second = FRAMES["baseline"], FRAMES["thumbnail"]
    frames, reasons = split(rubbish + first + rubbish + second + rubbish)
    assert frames == [first, second]
    assert len(reasons) in (2, 3)


def test_an_http_stream_is_read_as_it_is():
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n"
    frames, _ = split(b"".join(part + frame + b"\r\n" for frame in FRAMES.values()))
    assert frames == list(FRAMES.values())


def picture_of(frame):
    try:
        return load_pixels(frame).tobytes()
    except ImageError:
        return None


def without_eoi(frame):
    return frame[:-2]


# Those in one scan, as cameras write them (of several none can be known to be the last), but for
# the one whose EOI has fill bytes before it.
IN_ONE_SCAN = {
    **{name: FRAMES[name] for name in FRAMES.keys() - {"progressive", "fill bytes"}},
    "one block": encode(6, (8, 8), subsampling=0),
    "large": encode(8, (640, 480), quality=60),
}


@pytest.mark.parametrize("frame", IN_ONE_SCAN.values(), ids=IN_ONE_SCAN.keys())
@pytest.mark.parametrize("between", [b"", b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"])
def test_frames_without_an_end_marker_end_where_the_next_one_begins(frame, between):
    frames, reasons = split((without_eoi(frame) + between) * 3)
    assert [picture_of(found) for found in frames] == [picture_of(frame)] * 3
    assert reasons == []


def test_one_frame_without_an_end_marker_among_others_is_found_too():
    frames, reasons = split(PLAIN + without_eoi(PLAIN) + PLAIN)
    assert frames == [PLAIN, without_eoi(PLAIN) + READ_AHEAD, PLAIN]
    assert reasons == []


def blocks_of(frame):
    """Return the blocks of 8 x 8 of a decoded grey frame, line by line; None if it is refused."""
    try:
        picture = Image.open(io.BytesIO(frame))
        picture.load()
    except OSError:
        return None
    width_px, height_px = picture.size
    corners = [(x, y) for y in range(0, height_px, 8) for x in range(0, width_px, 8)]
    return [picture.crop((x, y, x + 8, y + 8)).tobytes() for x, y in corners]


@pytest.mark.parametrize("optimize", [False, True])
def test_of_a_frame_that_was_cut_off_no_more_than_two_blocks_are_made_up(optimize):
    """Behind the one in which the cut is; a grey frame, as its blocks stand line by line."""
    data = io.BytesIO()
    Image.effect_noise((64, 48), 60).save(data, "JPEG", optimize=optimize)
    frame = data.getvalue()
    whole = blocks_of(frame)
    num_refused = 0
    for num_lost in range(3, len(frame) // 2):
        blocks = blocks_of(frame[:-num_lost] + READ_AHEAD)
        num_refused += blocks is None
        assert blocks is None or blocks[:-3] == whole[:-3]
    assert num_refused > 0.9 * num_lost


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_wherever_a_frame_is_cut_off_the_next_ones_are_found(frame):
    after = FRAMES["thumbnail"]
    for size_bytes in range(3, len(frame) - 2, 3):
        frames, reasons = split(frame[:size_bytes] + after + after)
        assert frames[-1] == after, size_bytes
        if frames[1:] == [after, after]:  # cut off in its scan: its decoder refuses it
            assert frames[0] == frame[:size_bytes] + READ_AHEAD
            if size_bytes < len(frame) - 100:
                assert picture_of(frames[0]) is None
        elif frames[:-1] != [after]:
            # Unseen, where what lacked of a segment is as long as some segments of the next frame:
            # the head of one and the tail of the other make a frame, or its thumbnail.
            (mixed,) = frames[:-1]
            assert picture_of(mixed) in (picture_of(after), picture_of(THUMB), None)
        else:
            assert reasons[0] == BROKEN
            assert set(reasons) <= {BROKEN, THUMBNAIL, NO_FRAME}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_a_last_frame_that_is_cut_off_is_reported(frame):
    for size_bytes in range(3, len(frame) - 2, 17):
        frames, reasons = split(PLAIN + frame[:size_bytes])
        assert frames == [PLAIN]
        assert reasons == [CUT_OFF]


def test_whoever_joins_in_the_middle_does_not_take_a_thumbnail_for_a_frame():
    frame = FRAMES["thumbnail"]
    frames, reasons = split(frame[10:] + frame + frame)
    assert frames == [frame, frame]
    assert THUMBNAIL in reasons


def test_a_frame_that_is_too_large_is_skipped_whole_its_thumbnail_too():
    large = encode(6, (800, 600), quality=95, exif=b"Exif\0\0" + encode(7, (16, 16)))
    assert len(large) > MAX_BYTES
    frames, reasons = split(PLAIN + large + PLAIN)
    assert frames == [PLAIN, PLAIN]
    assert reasons == [TOO_LARGE]


@pytest.mark.parametrize(
    "endless",
    [b"", b"\xff\xd8\xff\xda\x00\x02", b"\xff\xd8" + b"\xff\xe0\xff\xff" + bytes(65533)],
    ids=["rubbish", "data without an end", "segments without an end"],
)
def test_memory_is_bounded_whatever_comes_in(endless):
    """Only what is held counts, not what the reader made: a piece is one object, used again."""
    segment = b"\xff\xe0\xff\xff" + bytes(65533)
    num_reads, largest = 0, 0

    def read(size):
        nonlocal num_reads, largest
        num_reads += 1
        if num_reads == 1 and endless:
            return endless[:size]
        if num_reads > 200:
            return b""
        largest = max(largest, len(held()))
        return (segment if endless.startswith(b"\xff\xd8\xff\xe0") else bytes(65536))[:size]

    def held():
        return frames.gi_frame.f_locals["stream"]._buffer if frames.gi_frame else b""

    frames = read_frames(read, max_bytes=MAX_BYTES, on_skipped=lambda reason: None)
    assert list(frames) == []
    assert MAX_BYTES / 2 < largest < MAX_BYTES + 3 * 65536


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_a_whole_frame_comes_out_of_a_mangled_stream(seed):
    rng = random.Random(seed)
    data = bytearray(b"".join(FRAMES.values()) * 2)
    for _ in range(20):
        data[rng.randrange(len(data))] = rng.randrange(256)
    frames, _ = split(bytes(data))
    assert frames
    assert all(frame.startswith(b"\xff\xd8\xff") for frame in frames)
    assert all(frame.endswith((b"\xff\xd9", READ_AHEAD)) for frame in frames)
