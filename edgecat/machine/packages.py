"""Which versions of libraries are installed."""

import contextlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def list_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each distribution that is installed, by name, in the order given."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
