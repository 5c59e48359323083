"""The app of what is made."""

from __future__ import annotations

from mes.apps import LaminaPackage


class DevicesConfig(LaminaPackage):
    name = "devices"
