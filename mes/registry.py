"""The only extension mechanism: a thing registers itself by a decorator, in a file found at start-up.

Adding a driver, generator, gate or report is one file. A duplicate name refuses to start, and asking for an
unknown name answers with the names that exist.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class RegistrationError(RuntimeError):
    """Two things claim one name, or a name is unknown. Raised at start-up, never caught."""


class Registry(Generic[T]):
    """Names to things, iterated in the order of the names."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        known = self._things.get(name)
        if known is not None and known is not thing:
            raise RegistrationError(f"{self.kind} '{name}' is registered twice: {known!r} and {thing!r}")
        self._things[name] = thing
        return thing

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda thing: self.add(name, thing)

    def __getitem__(self, name: str) -> T:
        try:
            return self._things[name]
        except KeyError:
            raise RegistrationError(f"no {self.kind} '{name}'; known: {', '.join(self) or 'none'}") from None

    def get(self, name: str) -> T | None:
        return self._things.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._things))

    def __len__(self) -> int:
        return len(self._things)

    def items(self) -> list[tuple[str, T]]:
        return [(name, self._things[name]) for name in self]

    def values(self) -> list[T]:
        return [self._things[name] for name in self]


def discover(package: str, *modules: str) -> None:
    """Import the named modules of a package, and everything inside those that are packages themselves.

    A module that does not exist is skipped; one that exists and fails to import stops the start.
    """
    for module in modules:
        name = f"{package}.{module}"
        if not _exists(name):
            continue
        found = importlib.import_module(name)
        for child in pkgutil.iter_modules(getattr(found, "__path__", ())):
            importlib.import_module(f"{name}.{child.name}")


def _exists(name: str) -> bool:
    """Whether a module is there. Its package may be missing too, which `find_spec` takes for a fault."""
    parent = name.rpartition(".")[0]
    return (
        not (parent and importlib.util.find_spec(parent) is None)
        and importlib.util.find_spec(name) is not None
    )
