"""The quality app: whether a device may leave."""

from __future__ import annotations

from mes.apps import LaminaPackage


class QualityConfig(LaminaPackage):
    name = "quality"
