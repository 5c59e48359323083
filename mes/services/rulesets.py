"""The rules and the settings in force, stated in the log whenever they change (K-11).

The version of Lamina stands on every event. Which gates, moves, permissions and settings applied to it is the last
`mes.ruleset_in_force` at or before its position.
"""

from __future__ import annotations

import hashlib
import inspect
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from mes.eventlog.base import Actor, canonical, digest_of
from mes.eventlog.unit import publish, unit_of_work
from mes.events import RuleSetInForce
from mes.lifecycle import GATES
from mes.models import EventRecord, RuleSet
from mes.permissions import PERMISSIONS
from mes.tables import TABLES

SETTINGS = (
    "AUTH_PASSWORD_VALIDATORS", "AUTHENTICATION_BACKENDS", "DELIVERY_ATTEMPTS", "DELIVERY_QUEUE_LEASE", "DELIVERY_RETRY_FIRST",
    "DELIVERY_RUN_LEASE", "INSTALLED_APPS", "MIDDLEWARE", "PASSWORD_HASHERS", "SEALS_OVERDUE", "SEAL_EVENTS", "SEAL_EVERY",
    "SESSION_COOKIE_AGE", "TIME_ZONE", "USE_TZ",
)  # fmt: skip
"""Settings that decide what is allowed or how the record is kept. None of them is a secret or a place."""


def rules_in_force() -> dict[str, Any]:
    """Gates with the digest of their source, the moves that the database allows, and who may do what."""
    return {
        "gates": {
            name: {"before": gate.transitions, "source": _source_digest(gate.check), "title": gate.title}
            for name, gate in GATES.items()
        },
        "moves": {name: table.stage.pairs for name, table in TABLES.items() if table.stage},
        "permissions": {
            action: {
                "roles": sorted(permission.roles),
                "secret": permission.secret,
                "system": permission.system,
            }
            for action, permission in PERMISSIONS.items()
        },
    }


def configuration_in_force() -> dict[str, Any]:
    return {name: _plain(getattr(settings, name, None)) for name in SETTINGS}


def _source_digest(check: Any) -> str:
    return hashlib.sha256(inspect.getsource(check).encode()).hexdigest()


def _plain(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


@unit_of_work
def state_rules() -> RuleSet:
    """State the rules and the configuration in force, unless they are those stated last. Any number of processes may."""
    rules, configuration = rules_in_force(), configuration_in_force()
    content = {"configuration": configuration, "rules": rules}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('mes_ruleset'))")
    found, _ = RuleSet.objects.get_or_create(
        digest=digest_of(content),
        defaults={
            "rules": digest_of(rules),
            "configuration": digest_of(configuration),
            "content": canonical(content),
        },
    )
    if _stated_last() != str(found.pk):
        event = RuleSetInForce(ruleset=found.digest, rules=found.rules, configuration=found.configuration)
        publish(found, event, actor=Actor.system("start"))
    return found


def _stated_last() -> str | None:
    last = _statements().first()
    return last.stream_id if last else None


def ruleset_at(pos: int) -> RuleSet | None:
    """What was in force for the event at a position; None before the first statement."""
    stated = _statements().filter(pos__lte=pos).first()
    return RuleSet.objects.get(pk=stated.stream_id) if stated else None


def _statements() -> QuerySet[EventRecord]:
    return EventRecord.objects.filter(type=RuleSetInForce.name).order_by("-pos")
