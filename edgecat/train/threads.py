"""With how many threads torch computes."""

import torch

from edgecat.machine.cores import count_threads


def limit_threads() -> None:
    """Let torch compute with no more threads than pay off here: it looks at no CPU quota.

    Fewer stay fewer, such as OMP_NUM_THREADS asks for.
    """
    num_threads = count_threads()
    if torch.get_num_threads() > num_threads:
        torch.set_num_threads(num_threads)
