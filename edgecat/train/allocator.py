"""What the C library does with the memory of tensors that are gone."""

import contextlib
import ctypes
from collections.abc import Iterator

# mallopt(3): blocks from this size on are asked from the kernel one by one and given back at once;
# and how much is kept at the end of the heap. Both are 128 KiB if nobody asks.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_USUAL, _LARGEST = 128 * 2**10, 2**30


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next step, which needs as much again.

    Else it goes back to the kernel, which clears each page before it gives it out again: more than
    a tenth of the time of a step (benchmarks/results/*/step_memory.json). Where the library is not
    glibc, nothing happens.
    """
    _keep_up_to(_LARGEST)


@contextlib.contextmanager
def giving_back_freed_memory() -> Iterator[None]:
    """For a block, give the kernel what is freed at once: only what is in use keeps addresses.

    Afterwards it is kept again.
    """
    _keep_up_to(_USUAL)
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        yield
    finally:
        keep_freed_memory()


def _keep_up_to(size_bytes: int) -> None:
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, size_bytes)
        mallopt(_M_TRIM_THRESHOLD, size_bytes)
