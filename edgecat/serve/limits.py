"""What a client may ask of the server at most; all of it is checked before any work is done."""

import dataclasses

from edgecat.photos.decode import MAX_BYTES

_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of a server. The pixels of a photo are limited by `edgecat.photos.decode`.

    Attributes:
        max_body_bytes: Of a request's body: phones write photos of 3-10 MB.
        max_bodies_bytes: Of all bodies together, or twice the largest one if that is more.
        max_waiting: Photos that may wait while the worker is busy.
        max_spare_connections: Open beside those whose photo waits or is worked on: idle ones, and
            those that ask for something else. A browser opens 6.
        max_head_bytes: Of a request line with its headers; browsers send about 1 kB.
        head_s: Seconds that a client has for the whole head, counted from the moment at which the
            server starts to wait for it.
        body_s: Seconds that a client has for the whole body: 10 MB at 4 Mbit/s.
        slow_s: Seconds after which a body that still arrives makes room for somebody else's, if
            there is none left.
        discard_s: Seconds for which the body of a refused request is read and thrown away. Most
            clients read a refusal only after they have sent everything.
        stop_s: Seconds that requests under way have to end in when the server is stopped.
    """

    max_body_bytes: int = 16 * _MIB
    max_bodies_bytes: int = 64 * _MIB
    max_waiting: int = 16
    max_spare_connections: int = 47
    max_head_bytes: int = 16 * 2**10
    head_s: float = 10
    body_s: float = 20
    slow_s: float = 2
    discard_s: float = 5
    stop_s: float = 10

    @property
    def largest_body_bytes(self) -> int:
        """Return how large a body may be: a photo has a limit of its own."""
        return min(self.max_body_bytes, MAX_BYTES)

    @property
    def all_bodies_bytes(self) -> int:
        """Return what all bodies together may hold."""
        return max(self.max_bodies_bytes, 2 * self.largest_body_bytes)

    @property
    def max_places(self) -> int:
        """Return how many photos may be inside: the one that is worked on, and those that wait."""
        return 1 + self.max_waiting

    @property
    def max_connections(self) -> int:
        """Return how many connections may be open at the same time."""
        return self.max_places + self.max_spare_connections
