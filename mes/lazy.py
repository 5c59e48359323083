"""Libraries that take long to load, loaded when they are first used.

Every process imports the handlers, and so everything that they may call; only the workers ever compute. Loading Open3D,
VTK, WeasyPrint and their like in each of them would cost seconds at every start and hundreds of megabytes.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from types import ModuleType
from typing import Any


class LazyModule:
    """Stands for a module until one of its attributes is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _module(self) -> ModuleType:
        return importlib.import_module(self._name)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._module, attribute)

    def __repr__(self) -> str:
        return f"<{self._name}, when first used>"


LAZY: list[str] = []


def lazily(name: str) -> Any:
    """The module of this name, imported at its first use. A wrong name fails there: tests import every one in `LAZY`."""
    LAZY.append(name)
    return LazyModule(name)


def load_now() -> None:
    """Import everything that was put off. A worker does so once, before its first task."""
    for name in LAZY:
        importlib.import_module(name)
