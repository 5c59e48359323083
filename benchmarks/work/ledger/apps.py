from __future__ import annotations

from django.apps import AppConfig


class LedgerBenchmark(AppConfig):
    name = "benchmarks.work.ledger"
    label = "ledger_benchmark"
    default_auto_field = "django.db.models.BigAutoField"
