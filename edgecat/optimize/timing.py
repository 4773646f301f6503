"""How long networks take, in turns, in an engine on this machine."""

import contextlib
import copy
import dataclasses
import io
import math
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from edgecat.train.edit import apply_edit, join_name
from edgecat.train.network import PhotoNetwork

# Models that take turns: the more there are, the fewer of its weights does each find in the
# processor's caches, where a network that is alone has them.
_MAX_OPEN = 4

#: Times that all of them are opened anew. The same model, opened again, lies elsewhere in memory
#: and keeps for its whole life a time that is up to 4 % another one; the first one opened is 2 %
#: slower than the last one. So a round here is an opening, and each model is first in as many of
#: them. Source: Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong!"
#: (ASPLOS 2009); measured with ONNX Runtime and OpenVINO, the same network four times.
NUM_OPENINGS = 3 * _MAX_OPEN

_NUM_WARMUP = 5


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


Opener = Callable[[], AbstractContextManager[Engine]]


@dataclasses.dataclass(frozen=True)
class Timed:
    """A model to time.

    Attributes:
        load: Returns what opens it for a block, with one thread, again and again.
        input: What it takes.
    """

    load: Callable[[], Opener]
    input: InputSpec


def time_in_turns(
    models: Mapping[str, Timed], num_rounds: int
) -> Iterator[Mapping[str, list[float]]]:
    """Yield the milliseconds of a photo by name, opening by opening, a few models at a time.

    Args:
        models: By name; the first one takes part in each group, so that all can be compared with
            it.
        num_rounds: Timed photos of each, at least.
    """
    first, *others = models
    for start in range(0, max(1, len(others)), _MAX_OPEN - 1):
        names = (first, *others[start : start + _MAX_OPEN - 1])
        openers = {name: models[name].load() for name in names}
        found: dict[str, list[float]] = {name: [] for name in names}
        for opening in range(NUM_OPENINGS):
            place = opening % len(names)
            with contextlib.ExitStack() as stack:
                actions: dict[str, Callable[[], float]] = {}
                for name in (*names[place:], *names[:place]):
                    engine = stack.enter_context(openers[name]())
                    actions |= time_on_noise({name: engine}, models[name].input)
                plan = Plan.fixed(math.ceil(num_rounds / NUM_OPENINGS), _NUM_WARMUP)
                for name, times_ms in take_turns(actions, plan).items():
                    found[name].append(statistics.median(times_ms))
        yield found


@dataclasses.dataclass(frozen=True)
class Stopwatch:
    """Times a network, and what edits make of it, with one thread.

    Attributes:
        arch: The network.
        product: What is timed, see `find_product`.
        num_rounds: Timed photos of each network, at least.
        trained: It with its weights, on the CPU; None for random ones. Weights take part: a gate
            that they hold still is none in an export (`edgecat.graph.passes.gates`), so that an
            edit has nothing more to save there.
    """

    arch: str
    product: Product
    num_rounds: int
    trained: PhotoNetwork | None = None

    def time(
        self, sets: Iterable[tuple[str, ...]]
    ) -> Iterator[Mapping[tuple[str, ...], list[float]]]:
        """Yield the milliseconds of a photo by edits, see `time_in_turns`; () is without any.

        Args:
            sets: Of edits, as `edgecat.train.edit.apply_edit` knows them.

        Raises:
            ConfigError: An edit does not fit.
            EngineError: The engine is not installed.
        """
        edits_of = {join_name(self.arch, edits): edits for edits in ((), *sets)}
        models = {
            name: Timed(partial(self._load, edits), find_architecture(name).input)
            for name, edits in edits_of.items()
        }
        for times in time_in_turns(models, self.num_rounds):
            yield {edits_of[name]: times_ms for name, times_ms in times.items()}

    def _load(self, edits: tuple[str, ...]) -> Opener:
        graph = _build_graph(self._edit(edits))
        files = MAKERS.load(self.product.variant.engine).build(graph)
        return partial(Model(self.product.variant, tuple(files)).open, threads=1)

    def _edit(self, edits: tuple[str, ...]) -> PhotoNetwork:
        """Return the network with edits; no photos are shown to it, since only its time counts."""
        name = join_name(self.arch, edits)
        if self.trained is None:
            network = build_random(name)
        else:
            network = copy.deepcopy(self.trained.network)
            for edit in edits:
                apply_edit(network, edit)
        architecture = find_architecture(name)
        return PhotoNetwork(network, architecture, architecture.input)


def _build_graph(network: PhotoNetwork) -> onnx.ModelProto:
    """Return a network as its export would have it, within a second.

    torch's older exporter makes the same operators of it as the one that exports use, which takes
    ten times as long.
    """
    network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.memory_format = torch.contiguous_format
    example = torch.zeros(1, *network.input.shape, dtype=torch.uint8)
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
