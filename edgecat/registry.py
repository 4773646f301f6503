"""Cases that are a file each: engines, networks, targets, graph passes, checks and the like.

An entry is a module of a package, or an entry point of an installed distribution; in both it is the
object `ENTRY`. So a new case is a new file here, or a package of somebody else, and nothing else
changes. What an entry needs is imported when it is asked for by name.
"""

import importlib
import pkgutil
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from edgecat.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Generic[T]):
    """The entries of one kind, by name.

        ENGINES: Registry[EngineEntry] = Registry("edgecat.runtime.engines", "engine")
        ENGINES.load("onnxruntime")

    A name is that of the entry's file, or of its entry point.
    """

    def __init__(self, package: str, kind: str, *, is_hyphened: bool = False) -> None:
        """Look nowhere yet.

        Args:
            package: Each of its modules is an entry. Entry points stand in the group of that name.
            kind: What an entry is called in messages: "engine".
            is_hyphened: Whether the file `x86_vnni.py` holds the entry "x86-vnni".
        """
        self._package, self._kind, self._is_hyphened = package, kind, is_hyphened
        self._loaded: dict[str, T] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all entries: those of this package, sorted, then those of others."""
        return (*self._modules, *sorted(self._installed.keys() - self._modules.keys()))

    def __contains__(self, name: object) -> bool:
        """Tell whether there is an entry of this name."""
        return name in self._modules or name in self._installed

    def load(self, name: str) -> T:
        """Return an entry.

        Raises:
            ConfigError: There is none of this name.
        """
        if name not in self._loaded:
            self._loaded[name] = self._import(name)
        return self._loaded[name]

    def load_all(self) -> dict[str, T]:
        """Return all entries, in the order of `names`."""
        return {name: self.load(name) for name in self.names}

    def _import(self, name: str) -> T:
        if name in self._modules:
            module = importlib.import_module(f"{self._package}.{self._modules[name]}")
            return cast(T, module.ENTRY)
        if name in self._installed:
            return self._load_installed(self._installed[name])
        raise ConfigError(f"{self._kind} {name!r}: known here are {', '.join(self.names)}")

    def _load_installed(self, point: "EntryPoint") -> T:
        try:
            return cast(T, point.load())
        except Exception as error:  # somebody else's code: anything may come
            package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            raise ConfigError(
                f"{self._kind} {point.name!r} of {package} does not load "
                f"({type(error).__name__}: {error}); mend it, or pip uninstall it"
            ) from error

    @cached_property
    def _modules(self) -> dict[str, str]:
        paths = importlib.import_module(self._package).__path__
        files = sorted(module.name for module in pkgutil.iter_modules(paths))
        return {file.replace("_", "-") if self._is_hyphened else file: file for file in files}

    @cached_property
    def _installed(self) -> dict[str, "EntryPoint"]:
        # Imported, and asked, for names that are no file here only: it reads a file of every
        # installed distribution, which takes as long as a model takes to open.
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self._package)}
