"""The app of what is made."""

from __future__ import annotations

from mes.apps import LaminaPackage
from mes.registry import discover


class DevicesConfig(LaminaPackage):
    name = "devices"

    def ready(self) -> None:
        discover(self.name, "planning", "segmentation", "segmentation.operations")
        super().ready()
