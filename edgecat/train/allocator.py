"""What the C library does with the memory of tensors that are gone."""

import contextlib
import ctypes

# mallopt(3): blocks from this size on are asked from the kernel one by one and given back at once;
# and how much is kept at the end of the heap.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_LARGEST = 2**30


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next step, which needs as much again.

    Else it goes back to the kernel, which clears each page before it gives it out again: more than
    a tenth of the time of a step (benchmarks/results/*/step_memory.json). Where the library is not
    glibc, nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST)


def give_back_freed_memory() -> None:
    """Give the kernel what is free after all; what must be mapped anew has room again."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
