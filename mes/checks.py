"""What must hold before Lamina runs, each with an id and its cure. `manage.py check` and `up` ask all of them."""

import os
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from mes.embedded.environment import Environment
from mes.embedded.roles import VARIABLES, Role

OTHERS = frozenset({"LAMINA_TEST_DATA", "LAMINA_TEST_CHROMIUM", "LAMINA_TEST_PICTURES"})


@register("front end")
def front_end_is_installed(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Without the packages every page would load without its style and scripts."""
    missing = [str(folder) for folder in settings.FRONT_END.values() if not folder.is_dir()]
    if not missing or (settings.STATIC_ROOT / "vendor").is_dir():
        return []
    hint = "Run `make setup`."
    return [Error(f"Front-end packages are missing: {', '.join(missing)}.", hint=hint, id="mes.E001")]


@register("environment")
def variables_are_known(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A misspelt variable would silently leave the default in force."""
    known = {f"LAMINA_{name.upper()}" for name in Environment.model_fields} | OTHERS
    unknown = sorted(name for name in os.environ if name.startswith("LAMINA_") and name not in known)
    hint = f"Known are: {', '.join(sorted(known))}."
    return [
        Warning(f"{name} is set, but Lamina does not read it.", hint=hint, id="mes.W001") for name in unknown
    ]


@register("environment")
def own_servers_are_named_in_full(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Half of the roles on another server would migrate, or seal, the wrong database."""
    named = [role for role in (Role.APP, Role.OWNER, Role.SEALER) if os.environ.get(VARIABLES[role])]
    if Role.APP in named or not named:
        return []
    names = ", ".join(VARIABLES[role] for role in named)
    return [Error(f"{names} is set, but DATABASE_URL is not.", hint="Name DATABASE_URL too.", id="mes.E002")]


@register("security")
def debug_stays_at_home(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A traceback page shows settings and rows: it may never be reached from another machine."""
    away = [host for host in settings.ALLOWED_HOSTS if host not in {"127.0.0.1", "localhost", "[::1]"}]
    if not settings.DEBUG or not away:
        return []
    hint = "Unset LAMINA_DEBUG, or leave only local names in LAMINA_HOSTS."
    return [Error(f"Debugging is on and the site answers to {', '.join(away)}.", hint=hint, id="mes.E003")]
