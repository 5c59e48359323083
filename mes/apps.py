"""The kernel's app: finds the events, permissions and handlers of every package at start-up."""

from __future__ import annotations

import gc

from django.apps import AppConfig

from mes.registry import discover

# Imported by each package's AppConfig.ready(), lowest package first.
DISCOVERED = (
    "checks", "events", "permissions", "rights", "lifecycle", "gates", "handlers", "panels", "worklists", "files", "retention",
    "services.signing", "services.keycheck", "generators", "catalog", "drivers", "slicing", "reports",
    # What keeps a signature for good is known to whatever takes one back, a command or a worker too (ES-18).
    "services.disposals", "services.erasure", "services.holds", "services.nonconformance",
    # What compares the words of a unit with the patients that it is about.
    "services.naming",
)  # fmt: skip


class LaminaPackage(AppConfig):
    """A package of the house: everything that registers itself is found by name."""

    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        gc.disable()
        discover(self.name, *DISCOVERED)
        # What stands now is never garbage, and is shared by the processes that this one may fork.
        gc.freeze()
        gc.enable()


class MesConfig(LaminaPackage):
    name = "mes"
