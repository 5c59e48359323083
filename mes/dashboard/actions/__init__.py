"""Every action of every page, and which of them a person is offered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from mes.api.actors import actor_of
from mes.choices import Role
from mes.dashboard.actions.arrivals import ARRIVAL_ACTIONS
from mes.dashboard.actions.audit import AUDIT_ACTIONS
from mes.dashboard.actions.base import Action
from mes.dashboard.actions.devices import DEVICE_ACTIONS
from mes.dashboard.actions.drawn import DRAWN_ACTIONS
from mes.dashboard.actions.external import EXTERNAL_ACTIONS
from mes.dashboard.actions.finishing import FINISHING_ACTIONS
from mes.dashboard.actions.gauges import GAUGE_ACTIONS
from mes.dashboard.actions.images import IMAGE_ACTIONS
from mes.dashboard.actions.keeping import KEEPING_ACTIONS
from mes.dashboard.actions.kits import KIT_ACTIONS
from mes.dashboard.actions.orders import ORDER_ACTIONS
from mes.dashboard.actions.packing import PACKING_ACTIONS
from mes.dashboard.actions.people import PEOPLE_ACTIONS
from mes.dashboard.actions.planning import PLANNING_ACTIONS
from mes.dashboard.actions.printing import PRINTING_ACTIONS
from mes.dashboard.actions.privacy import PRIVACY_ACTIONS
from mes.dashboard.actions.quality import QUALITY_ACTIONS
from mes.dashboard.actions.reviewing import REVIEWING_ACTIONS
from mes.dashboard.actions.series import SERIES_ACTIONS
from mes.dashboard.actions.training import TRAINING_ACTIONS
from mes.dashboard.actions.units import UNIT_ACTIONS
from mes.dashboard.navigation import roles_behind
from mes.eventlog.base import Actor
from mes.permissions import PERMISSIONS, Decision, can
from mes.registry import RegistrationError
from mes.segregation import segregation_reasons


def by_name(actions: Iterable[Action]) -> dict[str, Action]:
    """In the order of the pages. Raises RegistrationError where two claim one name: the first would silently be none."""
    found: dict[str, Action] = {}
    for action in actions:
        if action.id in found:
            raise RegistrationError(
                f"action '{action.id}' is declared twice: {found[action.id]} and {action}"
            )
        found[action.id] = action
    return found


ACTIONS = by_name(
    (
        *ORDER_ACTIONS,
        *SERIES_ACTIONS,
        *KIT_ACTIONS,
        *IMAGE_ACTIONS,
        *PLANNING_ACTIONS,
        *ARRIVAL_ACTIONS,
        *DEVICE_ACTIONS,
        *EXTERNAL_ACTIONS,
        *DRAWN_ACTIONS,
        *REVIEWING_ACTIONS,
        *PRINTING_ACTIONS,
        *FINISHING_ACTIONS,
        *QUALITY_ACTIONS,
        *GAUGE_ACTIONS,
        *UNIT_ACTIONS,
        *PACKING_ACTIONS,
        *AUDIT_ACTIONS,
        *PRIVACY_ACTIONS,
        *KEEPING_ACTIONS,
        *PEOPLE_ACTIONS,
        *TRAINING_ACTIONS,
    )
)


def permitted(action: Action, roles: frozenset[Role]) -> bool:
    """Whether one of the roles carries the action. `package.verb:ROLE` narrows it to one role."""
    name, _, only = action.permission.partition(":")
    needed = PERMISSIONS[name].roles & ({Role(only)} if only else PERMISSIONS[name].roles)
    return bool(needed & roles)


def about(action: Action, subject: Any) -> Model | None:
    """The thing that the service will ask about: an inspection of a device, or the device itself."""
    found: Model | None = action.about(subject) if subject is not None else None
    return found


def decided(request: HttpRequest, page: str, subject: Any) -> list[tuple[Action, Decision]]:
    """Every action that the state of a thing allows, with whether this person may do it and why not."""
    actor = actor_of(request)
    possible = [a for a in ACTIONS.values() if a.page == page and a.applies(subject)]
    return [(a, decision_on(a, actor, subject)) for a in possible]


def decision_on(action: Action, actor: Actor, subject: Any) -> Decision:
    """Whether somebody may do this to a thing, by signature where the action is signed."""
    name = action.permission.partition(":")[0]
    return can(actor, name, about(action, subject), signing=action.meaning is not None)


def _weighed(action: Action, actor: Actor, subject: Any) -> Action:
    """No main step of whoever may not do it for what they did before: another person's, and its dialog says whose."""
    name = action.permission.partition(":")[0]
    apart = action.main and segregation_reasons(actor, name, about(action, subject))
    return replace(action, main=False) if apart else action


def offered(request: HttpRequest, page: str, subject: Any) -> list[Action]:
    """What this person may do now with a thing, the main steps first. The services decide again.

    Whoever holds the role but lacks something else, such as training, is offered the action too: its dialog says what is
    missing and whom to ask, which a missing button would not.
    """
    roles, actor = roles_behind(request), actor_of(request)
    here = (a for a in ACTIONS.values() if a.page == page and not a.follows)
    found = [_weighed(a, actor, subject) for a in here if permitted(a, roles) and a.applies(subject)]
    return sorted(found, key=lambda action: (not action.main, action.danger))
