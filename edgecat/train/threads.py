"""With how many threads a process computes."""

import torch

from edgecat.machine.cores import count_threads
from edgecat.train.ranks import ALONE, Ranks


def share_threads(ranks: Ranks) -> int:
    """Return how many threads pay off for one of the ranks on this machine."""
    return max(1, count_threads() // ranks.size_here)


def limit_threads(ranks: Ranks = ALONE) -> None:
    """Let torch compute with no more threads than pay off here: it looks at no CPU quota.

    Fewer stay fewer, such as OMP_NUM_THREADS asks for.
    """
    num_threads = share_threads(ranks)
    if torch.get_num_threads() > num_threads:
        torch.set_num_threads(num_threads)
