"""What a client may ask of the server at most; all of it is checked before any work is done."""

import dataclasses

_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of a server. The pixels of a photo are limited by `edgecat.photos.pixels`.

    Attributes:
        max_body_bytes: Of a request's body: phones write photos of 3-10 MB.
        max_waiting: Photos that may wait while the worker is busy. With a body each, they bound
            the memory that requests can take.
        max_head_bytes: Of a request line with its headers; browsers send about 1 kB.
        max_connections: Open at the same time, idle ones included. A browser opens 6.
        head_s: Seconds that a client has for the whole head, counted from the moment at which the
            server starts to wait for it.
        body_s: Seconds that a client has for the whole body: 10 MB at 4 Mbit/s.
        discard_s: Seconds for which the body of a refused request is read and thrown away. Most
            clients read a refusal only after they have sent everything.
        stop_s: Seconds that requests under way have to end in when the server is stopped.
    """

    max_body_bytes: int = 16 * _MIB
    max_waiting: int = 16
    max_head_bytes: int = 16 * 2**10
    max_connections: int = 64
    head_s: float = 10
    body_s: float = 20
    discard_s: float = 5
    stop_s: float = 10
