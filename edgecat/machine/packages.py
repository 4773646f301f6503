"""Which versions of libraries are installed."""

import contextlib
from collections.abc import Iterable


def list_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each distribution that is installed, by name, in the order given."""
    # Here, not above: a device opens models without asking, and this takes a parser of e-mails.
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
