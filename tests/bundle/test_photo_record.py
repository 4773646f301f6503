import hashlib

import pytest

from edgecat.bundle.photo_record import (
    PHOTO_RECORD_FILE,
    PhotoRecord,
    load_photo_record,
    record_photos,
)
from edgecat.bundle.store import load_bundle
from edgecat.errors import BundleError
from edgecat.photos.split import Split, SplitPhoto

HASHES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(6)]
SPLIT = Split(
    0,
    0,
    tuple(
        SplitPhoto(f"{number}.jpg", "a", sha256, split)
        for number, (sha256, split) in enumerate(
            zip(HASHES, ["train", "train", "val", "test", "out", "train"], strict=True)
        )
    ),
)


def test_a_splits_photos_are_known_by_what_they_were_used_for():
    seen = record_photos(SPLIT, [1])
    assert [seen.was_trained(sha256) for sha256 in HASHES] == [True, True, True, False, False, True]
    assert [seen.was_tested(sha256) for sha256 in HASHES] == [False] * 3 + [True] + [False] * 2
    assert seen.calibration == (HASHES[1][:16],)


def test_the_lists_travel_with_the_bundle(make_bundle):
    seen = record_photos(SPLIT, [0])
    folder = make_bundle(files={PHOTO_RECORD_FILE: seen.to_json().encode()})
    assert load_photo_record(load_bundle(folder)) == seen


def test_a_bundle_without_lists_has_seen_nothing(make_bundle):
    seen = load_photo_record(load_bundle(make_bundle()))
    assert seen == PhotoRecord()
    assert not seen.was_trained(HASHES[0])


BAD = [b"", b"{", b"[]", b'{"train": "abc"}', b'{"trained": []}', b"\xff\xfe\x00", b"[" * 100_000]


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:20]))
def test_lists_that_do_not_read_are_refused(make_bundle, data):
    bundle = load_bundle(make_bundle(files={PHOTO_RECORD_FILE: data}))
    with pytest.raises(BundleError, match=PHOTO_RECORD_FILE):
        load_photo_record(bundle)
