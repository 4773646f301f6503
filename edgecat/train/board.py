"""The numbers of each epoch for TensorBoard, beside metrics.csv: RUN/tensorboard/."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecat.errors import TrainError
from edgecat.train.divergence import Row

FOLDER = "tensorboard"


def check_board() -> None:
    """Refuse to begin what could not be shown.

    Raises:
        TrainError: TensorBoard is not installed.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ModuleNotFoundError as error:
        raise TrainError(
            "--tensorboard needs TensorBoard, which is not installed here: "
            "pip install 'edgecat[tensorboard]'"
        ) from error


@contextlib.contextmanager
def open_board(run: Path, *, done_epochs: int) -> Iterator[Callable[[Row], None]]:
    """Yield a function that is told each epoch's row of metrics.csv.

    Args:
        run: Folder of the run.
        done_epochs: After which it goes on; what an earlier process wrote of later ones is hidden.
    """
    from torch.utils.tensorboard import SummaryWriter

    def write(row: Row) -> None:
        for name, value in row.items():
            writer.add_scalar(_group(name), value, int(row["epoch"]))
        writer.flush()

    with SummaryWriter(run / FOLDER, purge_step=done_epochs + 1) as writer:
        yield write


def _group(column: str) -> str:
    """Return a column of metrics.csv with the group that TensorBoard shows it in: val/loss."""
    group, _, name = column.partition("_")
    return f"{group}/{name}" if group in ("train", "val") else f"run/{column}"
