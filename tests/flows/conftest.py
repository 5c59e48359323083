"""Fixtures of the whole flow: the simulated machines and the fleet are printing's."""

from tests.printing.conftest import fleet, machines

__all__ = ["fleet", "machines"]
