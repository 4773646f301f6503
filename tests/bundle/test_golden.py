"""The golden photos of a bundle, as a file from somebody."""

import pytest

from edgecat.bundle.golden import GOLDEN_FILE, Golden, load_golden
from edgecat.bundle.store import load_bundle
from edgecat.errors import BundleError


def test_a_bundle_without_golden_photos_has_none(make_bundle):
    assert load_golden(load_bundle(make_bundle())) == Golden(())


def test_golden_photos_that_do_not_read_are_refused(make_bundle):
    bundle = load_bundle(make_bundle(files={GOLDEN_FILE: b"[]"}))
    with pytest.raises(BundleError, match=GOLDEN_FILE):
        load_golden(bundle)


def test_more_than_golden_photos_ever_take_is_not_parsed(make_bundle):
    nested = b"[" * (17 * 2**20)
    bundle = load_bundle(make_bundle(files={GOLDEN_FILE: nested}))
    with pytest.raises(BundleError, match=f"{len(nested)} bytes, at most 16777216 are accepted"):
        load_golden(bundle)
