"""`python -m benchmarks [NAME …]`: run all benchmarks, or those named."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from pathlib import Path

SUPPORT = {"__main__", "table", "peers", "work"}


def names() -> list[str]:
    here = str(Path(__file__).parent)
    return sorted(module.name for module in pkgutil.iter_modules([here]) if module.name not in SUPPORT)


def main(wanted: list[str]) -> None:
    wanted = wanted or os.environ.get("NAME", "").split() or names()
    if unknown := set(wanted) - set(names()):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(names())}")
    for name in wanted:
        importlib.import_module(f"benchmarks.{name}").main()


main(sys.argv[1:])
