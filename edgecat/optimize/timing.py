"""How long networks take, in turns, in an engine on this machine."""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

import onnx
import torch

from edgecat.bench.clock import Plan, take_turns
from edgecat.bench.latency import time_on_noise
from edgecat.errors import ConfigError
from edgecat.export.maker import MAKERS, Product, list_products
from edgecat.export.to_onnx import INPUT_NAME, OPSET, OUTPUT_NAME
from edgecat.graph.optimize import optimize_graph
from edgecat.optimize.space import build_random
from edgecat.photos.input import InputSpec
from edgecat.quantize.model import Model
from edgecat.runtime.engine import Engine
from edgecat.train.architecture import find_architecture
from edgecat.train.network import PhotoNetwork

# Models that take turns: the more there are, the fewer of its weights does each find in the
# processor's caches, where a network that is alone has them.
_MAX_OPEN = 3


def find_product(name: str) -> Product:
    """Return a variant that can be timed.

    Args:
        name: Of a float variant that this machine computes itself.

    Raises:
        ConfigError: There is no such variant here.
    """
    here = [p for p in list_products() if p.precision.files.made == "exact" and p.runs_here]
    for product in here:
        if product.variant.name == name:
            return product
    known = ", ".join(product.variant.name for product in here)
    raise ConfigError(f"--variant {name}: this machine can time {known}")


@dataclasses.dataclass(frozen=True)
class Timed:
    """A model to time.

    Attributes:
        open: Opens it for a block, with one thread.
        input: What it takes.
    """

    open: Callable[[], AbstractContextManager[Engine]]
    input: InputSpec


def time_in_turns(models: Mapping[str, Timed], plan: Plan) -> Iterator[Mapping[str, list[float]]]:
    """Yield the milliseconds of a photo by name, round by round, a few models at a time.

    Args:
        models: By name; the first one takes part in each group, so that all can be compared with
            it.
        plan: Of each group.
    """
    first, *others = models
    for start in range(0, max(1, len(others)), _MAX_OPEN):
        with contextlib.ExitStack() as stack:
            actions: dict[str, Callable[[], float]] = {}
            for name in (first, *others[start : start + _MAX_OPEN]):
                engine = stack.enter_context(models[name].open())
                actions |= time_on_noise({name: engine}, models[name].input)
            yield take_turns(actions, plan)


def time_networks(
    archs: Sequence[str], product: Product, plan: Plan
) -> Iterator[Mapping[str, list[float]]]:
    """Yield the milliseconds of a photo by network, see `time_in_turns`.

    Args:
        archs: Names, as `edgecat.train.architecture.find_architecture` knows them.
        product: What to time.
        plan: Of each group.
    """
    models = {
        arch: Timed(partial(_open_network, arch, product), find_architecture(arch).input)
        for arch in archs
    }
    yield from time_in_turns(models, plan)


def _open_network(arch: str, product: Product) -> AbstractContextManager[Engine]:
    return _build_model(arch, product).open(threads=1)


def _build_model(arch: str, product: Product) -> Model:
    files = MAKERS.load(product.variant.engine).build(_build_graph(arch))
    return Model(product.variant, tuple(files))


def _build_graph(arch: str) -> onnx.ModelProto:
    """Return a network with random weights as its export would have it, within a second.

    torch's older exporter makes the same operators of it as the one that exports use, which takes
    ten times as long.
    """
    architecture = find_architecture(arch)
    network = PhotoNetwork(build_random(arch), architecture, architecture.input).eval()
    network.memory_format = torch.contiguous_format
    example = torch.zeros(1, *architecture.input.shape, dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_axes={INPUT_NAME: {0: "N"}, OUTPUT_NAME: {0: "N"}},
        )
    graph, _ = optimize_graph(onnx.load_model_from_string(buffer.getvalue()), example.numpy())
    return graph
