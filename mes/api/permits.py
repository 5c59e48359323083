"""The door of the API: which action of `mes.permissions` each verb of a view is. Deny by default (21 CFR 11.10(d))."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission

from mes.api.actors import actor_of
from mes.exceptions import NotPermitted
from mes.permissions import PERMISSIONS, can

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class Permitted(BasePermission):
    """Deny by default: a view says in `permits` which action of `mes.permissions` each of its verbs is.

    What only reads may be left out: it is narrowed to what the person may know. Anything else that is left out is refused
    for everybody. The service asks again, with the thing itself.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user.is_authenticated:
            return False
        verb = _verb_of(request, view)
        if request.method == "OPTIONS":
            return True
        if getattr(view, "action", verb) is None:
            # No route leads to an action by this method. Unless a method of the class has its name, by chance, the answer is 405.
            return not hasattr(view, verb)
        permits: Mapping[str, str] = getattr(view, "permits", {})
        if (action := permits.get(verb)) is None:
            return request.method in ("GET", "HEAD") or not hasattr(view, verb)
        decision = can(actor_of(request), action)
        if not decision.allowed:
            raise NotPermitted(decision.reasons)
        return True


def asks_secret(request: Request, view: APIView) -> bool:
    """Whether what a request changes is an action that asks for the own secret again."""
    if request.method in SAFE_METHODS:
        return False
    action = getattr(view, "permits", {}).get(_verb_of(request, view))
    return action is not None and PERMISSIONS[action].secret


def _verb_of(request: Request, view: APIView) -> str:
    return getattr(view, "action", None) or str(request.method).lower()
