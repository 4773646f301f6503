"""A torch network in OpenVINO, to answer many photos."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecat.machine.cores import count_threads

Arrays = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def open_in_bulk(network: Any, example: Any) -> Arrays:
    """Return a function that runs a network in the precision that is fastest on this processor.

    That is bfloat16 where it computes in it: good enough for a teacher's answers and for features,
    not for a model that is shipped, which `edgecat.export` proves to be equal.

    Args:
        network: A `torch.nn.Module` in evaluation mode.
        example: A tensor that it takes; the first axis may have another length later.

    Returns:
        Takes what the network takes, and returns what it returns, as numpy arrays.
    """
    import openvino

    model = openvino.convert_model(network, example_input=example)
    model.reshape([-1, *example.shape[1:]])
    compiled = openvino.compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": count_threads()}
    )
    request = compiled.create_infer_request()

    def run(batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.array(request.infer([batch])[0])

    return run
