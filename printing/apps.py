"""How it is made: lots, printers, builds, jobs."""

from __future__ import annotations

from mes.apps import LaminaPackage


class PrintingConfig(LaminaPackage):
    name = "printing"
