"""The emulated Pis, with the wheel of this very source on them.

These tests need a Debian mirror, a package index and minutes, so pytest leaves them out unless they
are asked for: pytest -m emulated. Where QEMU or the packages are not to be had they skip and say
so; in CI that is a failure.
"""

import functools
import os

import arm64
import pytest
from answers import draw_photos
from pi import open_pi

SHARED = arm64.PROJECT.parent / "shared"


def _skip_unless_in_ci(error):
    if os.environ.get("CI"):
        raise error
    pytest.skip(f"no emulated Raspberry Pi here: {error}")


@pytest.fixture(scope="session")
def get_pi():
    """A function that opens an emulated Pi: (name, debian)."""

    def get(name, debian):
        try:
            return open_pi(name, debian)
        except arm64.UnavailableError as error:
            _skip_unless_in_ci(error)

    return get


@pytest.fixture(scope="session")
def install(tmp_path_factory, wheel):
    """A function that returns a folder with what `pip install edgecat` brings: (debian, *more).

    `more` are further arguments of pip.
    """

    @functools.cache
    def install_on(debian, *more):
        folder = tmp_path_factory.mktemp(f"debian{debian}")
        pinned = ["-c", str(arm64.CONSTRAINTS), *more]
        try:
            arm64.install_wheels(arm64.RELEASES[debian], folder, *pinned, str(wheel))
        except arm64.UnavailableError as error:
            _skip_unless_in_ci(error)
        return folder

    return install_on


@pytest.fixture(scope="session")
def ten_photos(tmp_path_factory):
    """Ten photos of cats of ten breeds; where ../shared is missing, ten drawings."""
    folders = sorted((SHARED / "cats").glob("*/"))[:10]
    if not folders:
        return draw_photos(tmp_path_factory.mktemp("drawn"), 10)
    return [min(folder.glob("*.jpg")) for folder in folders]
