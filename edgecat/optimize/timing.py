"""How long networks take, in turns, in an engine on this machine."""

import copy
import dataclasses
import io
import math
import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import onnx
import torch

from edgecat.bench.openings import NUM_OPENINGS, Timed, time_openings
from edgecat.errors import ConfigError, UnsupportedGraphError
from edgecat.export.maker import MAKERS, Product, list_products
from edgecat.export.to_onnx import INPUT_NAME, OPSET, OUTPUT_NAME
from edgecat.graph.optimize import optimize_graph
from edgecat.optimize.space import build_random
from edgecat.progress import Progress
from edgecat.quantize.model import Model
from edgecat.train.architecture import find_architecture
from edgecat.train.edit import apply_edit, join_name
from edgecat.train.network import PhotoNetwork

# Models that take turns: the more there are, the fewer of its weights does each find in the
# processor's caches, where a network that is alone has them.
_MAX_OPEN = 4


def list_timeable() -> list[Product]:
    """Return the float variants that this machine computes itself, the reference engine's first."""
    return [p for p in list_products() if p.precision.files.made == "exact" and p.runs_here]


def find_product(name: str) -> Product:
    """Return a variant that can be timed.

    Args:
        name: Of one of `list_timeable`.

    Raises:
        ConfigError: There is no such variant here.
    """
    here = list_timeable()
    for product in here:
        if product.variant.name == name:
            return product
    known = ", ".join(product.variant.name for product in here)
    raise ConfigError(f"--variant {name}: this machine can time {known}")


def time_in_groups(
    names: Sequence[str], load: Callable[[str], Timed], num_photos: int
) -> Iterator[Mapping[str, list[float]]]:
    """Yield the milliseconds of a photo by name, opening by opening, a few models at a time.

    Args:
        names: Of the models; the first one takes part in each group, so that all can be compared
            with it.
        load: Returns one of them; those of a group are in memory at once.
        num_photos: Timed photos of each, at least.
    """
    first, *others = names
    for start in range(0, max(1, len(others)), _MAX_OPEN - 1):
        group = {name: load(name) for name in (first, *others[start : start + _MAX_OPEN - 1])}
        yield time_openings(group, math.ceil(num_photos / NUM_OPENINGS)).medians_ms


@dataclasses.dataclass(frozen=True)
class Stopwatch:
    """Times a network, and what edits make of it, with one thread.

    Attributes:
        arch: The network.
        product: What is timed, see `find_product`.
        num_photos: Timed photos of each network, at least.
        trained: It with its weights, on the CPU; None for random ones. Weights take part: a gate
            that they hold still is none in an export (`edgecat.graph.passes.gates`), so that an
            edit has nothing more to save there.
    """

    arch: str
    product: Product
    num_photos: int
    trained: PhotoNetwork | None = None

    @property
    def variant(self) -> str:
        """Return the name of what is timed."""
        return self.product.variant.name

    def time(
        self, sets: Iterable[tuple[str, ...]]
    ) -> Iterator[Mapping[tuple[str, ...], list[float]]]:
        """Yield the milliseconds of a photo by edits, see `time_in_groups`; () is without any.

        Args:
            sets: Of edits, as `edgecat.train.edit.apply_edit` knows them.

        Raises:
            ConfigError: An edit does not fit.
            EngineError: The engine is not installed.
        """
        edits_of = {join_name(self.arch, edits): edits for edits in ((), *sets)}
        for times in time_in_groups(
            [*edits_of], lambda name: self.load(edits_of[name]), self.num_photos
        ):
            yield {edits_of[name]: times_ms for name, times_ms in times.items()}

    def load(self, edits: tuple[str, ...] = ()) -> Timed:
        """Return what is timed of the network with edits.

        Raises:
            ConfigError: An edit does not fit.
            UnsupportedGraphError: The engine cannot have the network.
        """
        network = self._edit(edits)
        files = MAKERS.load(self.product.variant.engine).build(_build_graph(network))
        model = Model(self.product.variant, tuple(files))
        return Timed(partial(model.open, threads=1), network.input)

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


def find_quickest(stopwatches: Sequence[Stopwatch], progress: Progress) -> Stopwatch:
    """Return the one in whose variant its network, as it is, answers soonest.

    Args:
        stopwatches: Of one network, each of another variant. Of what an engine cannot have, none is
            the quickest; the first one's takes every network.
        progress: Told of each time that all are opened, and of what is left out.

    Raises:
        EngineError: An engine is not installed.
    """
    first, *others = stopwatches
    models = {first.variant: first.load()}
    for one in others:
        try:
            models[one.variant] = one.load()
        except UnsupportedGraphError as error:
            progress.say(f"{one.variant} is left out: {error}")
    with progress.phase("which engine is the quickest", NUM_OPENINGS) as step:
        num_photos = math.ceil(first.num_photos / NUM_OPENINGS)
        times_ms = time_openings(models, num_photos, on_opening=step).medians_ms
    quickest = min(models, key=lambda name: statistics.median(times_ms[name]))
    return next(one for one in stopwatches if one.variant == quickest)


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
