"""Which versions of libraries are installed."""

import contextlib
from collections.abc import Iterable


def list_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each distribution that is installed, by name, in the order given."""
    # Here, not above: it brings a parser of e-mails, and not every device that opens a model asks.
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
