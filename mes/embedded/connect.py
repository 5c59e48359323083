"""How Django connects, as one role at a time."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connections

from mes.embedded.layout import Layout
from mes.embedded.roles import Role, address

PASSED_ON = ("sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs", "channel_binding")

PATH = "pg_catalog,public,pg_temp"
"""Where names are looked for, whatever is set for a role or the database: the server's own first."""
PATHS = {Role.OWNER.login: "public,pg_temp"}
"""Tables are made in the first of them; the server looks among its own before it."""


def django_database(where: Mapping[str, str], *, pool_size: int = 0) -> dict[str, Any]:
    """Django's form of a libpq address. With a pool (the web process) statements give up early; others may wait longer."""
    limits = "-c statement_timeout=15s -c lock_timeout=3s" if pool_size else "-c lock_timeout=10s"
    limits += f" -c idle_in_transaction_session_timeout=60s -c search_path={PATHS.get(where['user'], PATH)}"
    options: dict[str, Any] = {"options": limits}
    # Django forbids prepared statements unless told otherwise; `mes.eventlog.statements` asks for them one by one.
    options["prepare_threshold"] = 1
    options |= {name: where[name] for name in PASSED_ON if name in where}
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": where["host"],
        "PORT": where["port"],
        "NAME": where["dbname"],
        "USER": where["user"],
        "PASSWORD": where["password"],
        # A pooled connection is tried before use, so a restarted server is noticed by nobody.
        "CONN_HEALTH_CHECKS": pool_size > 0,
        "OPTIONS": options,
    }


def open_role(role: Role) -> str:
    """Make the same database available under another role, and return its alias, which is the role's name.

    Called by the one command that needs the role, so that no other process ever holds its password.
    """
    alias = role.value
    default = connections.settings["default"]
    wanted = django_database(address(role, Layout(settings.VAR_DIR))) | {"NAME": default["NAME"]}
    known = connections.settings.get(alias)
    if known is None or known["NAME"] != wanted["NAME"]:
        filled = connections.configure_settings({"default": default, alias: wanted})
        connections.settings[alias] = filled[alias]
        if alias in connections:
            connections[alias].close()
            del connections[alias]
    return alias
