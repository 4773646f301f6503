"""Which models an export makes: for every engine with a maker, in all that it computes here."""

import dataclasses
from collections.abc import Callable, Sequence

import onnx

from edgecat.bundle.manifest import Variant
from edgecat.quantize.form import FORMS
from edgecat.registry import Registry
from edgecat.runtime.engine import ENGINES, Engine
from edgecat.runtime.precision import Precision


@dataclasses.dataclass(frozen=True)
class Maker:
    """How files for an engine are made.

    Attributes:
        endings: Of the files' names, the graph's first. A file that ends in ".gz" lies
            compressed in a bundle (`edgecat.bundle.gzipped`); the functions here and the engine
            have its plain bytes.
        build: From the proven float graph to the float model's files. Raises
            `UnsupportedGraphError` where the engine cannot have the network.
        imitate: Opens a model's files as a rounded variant, computed as that would be on a
            processor that can, for exporting machines that cannot; None where there is no such way.
    """

    endings: tuple[str, ...]
    build: Callable[[onnx.ModelProto], Sequence[bytes]]
    imitate: Callable[[Variant, Sequence[bytes]], Engine] | None = None


#: By the engine's name; an engine without one runs what others export for it.
MAKERS: Registry[Maker] = Registry("edgecat.export.makers", "maker")


@dataclasses.dataclass(frozen=True)
class Product:
    """A model that an export can make.

    Attributes:
        variant: Its name and its files' names.
        precision: What it computes in.
        exact: The engine's float model that it is compared with.
        rounds: The engine's model whose files it shares; None where it has its own.
        runs_here: Whether this processor computes so; else the maker imitates it.
    """

    variant: Variant
    precision: Precision
    exact: Variant
    rounds: Variant | None = None
    runs_here: bool = True


def list_products() -> tuple[Product, ...]:
    """Return all models that can be made here, those of the reference engine first."""
    engines = sorted(MAKERS.names, key=lambda name: not ENGINES.load(name).is_reference)
    return tuple(product for engine in engines for product in _list_of(engine))


def list_packages() -> tuple[str, ...]:
    """Return the packages of the engines that files are made for."""
    return tuple(ENGINES.load(engine).package for engine in MAKERS.names)


def _list_of(engine: str) -> list[Product]:
    entry = ENGINES.load(engine)
    exact = _name_files(engine, entry.precisions[0].name)
    products = []
    for precision in entry.precisions:
        variant = _name_files(engine, precision.name)
        rounds = None
        if precision.rounds is not None:
            rounds = _name_files(engine, precision.rounds.name)
            variant = dataclasses.replace(variant, files=rounds.files)
        is_writable = precision.files.made != "quantized" or engine in FORMS
        runs_here = entry.offers(precision)
        is_imitable = precision.made == "rounded" and MAKERS.load(engine).imitate is not None
        if is_writable and (runs_here or is_imitable):
            products.append(Product(variant, precision, exact, rounds, runs_here))
    return products


def _name_files(engine: str, precision: str) -> Variant:
    name = f"{engine}-{precision}"
    return Variant(name, tuple(name + ending for ending in MAKERS.load(engine).endings))
