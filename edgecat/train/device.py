"""Where training computes: a CUDA device or the processor."""

import contextlib
import re

import torch

from edgecat.errors import ConfigError, TrainError
from edgecat.progress import describe_count


def choose_device(name: str) -> torch.device:
    """Return the torch device of this name.

    Raises:
        ConfigError: Not one of the accepted names.
        TrainError: CUDA asked for where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise ConfigError(f"--device {name}: accepted are auto, cpu, cuda, cuda:N")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU-only build"
        raise TrainError(
            f"--device {name}: torch {torch.__version__} sees no CUDA device (it is {built}); "
            "use --device cpu, or install a driver and a CUDA build of torch"
        )
    if int(number or 0) >= max(1, torch.cuda.device_count()):
        raise TrainError(
            f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return a device as a run's record names it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({describe_count(torch.get_num_threads(), 'thread')})"


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return bf16 on CUDA, where it is faster and needs no loss scaling; fp32 on a CPU."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.autocast("cuda", dtype=dtype)
