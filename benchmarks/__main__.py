"""`python -m benchmarks [NAME …] [--rounds N]`: run all benchmarks, or those named."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import sys
from pathlib import Path

SUPPORT = {"__main__", "table", "peers", "work"}


def names() -> list[str]:
    here = str(Path(__file__).parent)
    return sorted(module.name for module in pkgutil.iter_modules([here]) if module.name not in SUPPORT)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names())}; all, if left out")
    parser.add_argument(
        "--rounds", type=int, help="how often each row is run, where a benchmark lets one choose"
    )
    asked = parser.parse_args()
    wanted = asked.names or os.environ.get("NAME", "").split() or names()
    if unknown := set(wanted) - set(names()):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(names())}")
    for name in wanted:
        run = importlib.import_module(f"benchmarks.{name}").main
        takes = asked.rounds and "rounds" in inspect.signature(run).parameters
        run(**({"rounds": asked.rounds} if takes else {}))


main()
