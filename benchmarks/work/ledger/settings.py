"""Lamina's settings, and the peers beside it."""

from mes.settings import *
from mes.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "simple_history",
    "auditlog",
    "benchmarks.work.ledger.apps.LedgerBenchmark",
]
