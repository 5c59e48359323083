"""Every action of every page, and which of them a person is offered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from mes.choices import Role
from mes.dashboard.actions.base import Action
from mes.dashboard.actions.devices import DEVICE_ACTIONS
from mes.dashboard.actions.keeping import KEEPING_ACTIONS
from mes.dashboard.actions.orders import ORDER_ACTIONS
from mes.dashboard.actions.printing import PRINTING_ACTIONS
from mes.dashboard.actions.quality import QUALITY_ACTIONS
from mes.dashboard.navigation import roles_behind
from mes.permissions import PERMISSIONS

ACTIONS: dict[str, Action] = {
    action.id: action
    for action in (*ORDER_ACTIONS, *DEVICE_ACTIONS, *PRINTING_ACTIONS, *QUALITY_ACTIONS, *KEEPING_ACTIONS)
}


def permitted(action: Action, roles: frozenset[Role]) -> bool:
    """Whether one of the roles carries the action. `package.verb:ROLE` narrows it to one role."""
    name, _, only = action.permission.partition(":")
    needed = PERMISSIONS[name].roles & ({Role(only)} if only else PERMISSIONS[name].roles)
    return bool(needed & roles)


def offered(request: HttpRequest, page: str, subject: Any) -> list[Action]:
    """What this person may do now with a thing, the main steps first. The services decide again."""
    roles = roles_behind(request)
    here = (a for a in ACTIONS.values() if a.page == page and not a.follows)
    found = [a for a in here if permitted(a, roles) and a.applies(subject)]
    return sorted(found, key=lambda action: (not action.main, action.danger))
