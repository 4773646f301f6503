"""The server of a review: a folder of kept photos at an address, until it is stopped."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn

from edgecat.review.app import ReviewService, build_app
from edgecat.review.desk import Desk, open_log
from edgecat.serve.limits import Limits
from edgecat.serve.metrics import Metrics
from edgecat.serve.server import Address, build_door, build_http_server, run
from edgecat.service.signals import Signals


def review(
    folder: Path,
    labels: Sequence[str],
    address: Address,
    signals: Signals,
    say: Callable[[str], object],
) -> None:
    """Serve the page of a review until SIGTERM or SIGINT.

    Args:
        folder: Of kept photos.
        labels: Classes to offer, beside those that answers and decisions name.
        address: Where to listen.
        signals: Taken over.
        say: Tells the operator what happens.

    Raises:
        ConfigError: No photos were kept there, another process reviews them, or the token or the
            address is not accepted.
        DatasetError: A line of the decisions is none.
        StorageError: The decisions cannot be written.
    """
    with open_server(folder, labels, address, signals, say) as (server, desk):
        found = desk.describe()
        far = f"{found['num_decided']} of {found['num_photos']} photos decided"
        run(server, address, f"review of {folder} ({far})", say)


@contextlib.contextmanager
def open_server(
    folder: Path,
    labels: Sequence[str],
    address: Address,
    signals: Signals,
    say: Callable[[str], object],
) -> Iterator[tuple[uvicorn.Server, Desk]]:
    """Yield a server to run on listening sockets, and its desk; arguments as for `review`.

    Raises:
        ConfigError: As `review`, but for the address.
        DatasetError: As `review`.
        StorageError: As `review`.
    """
    limits, metrics = Limits(), Metrics()
    door = build_door(address, limits, metrics)
    with contextlib.closing(open_log(folder, say)) as log:
        desk = Desk(folder, labels, log, say)
        app = build_app(ReviewService(desk, limits, metrics), door)
        yield build_http_server(app, limits, metrics, signals), desk
