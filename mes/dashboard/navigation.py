"""The main navigation: only what this person may open, so that no link ends in a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from mes.choices import Role
from mes.models import Account
from mes.permissions import PERMISSIONS
from mes.selectors import roles_of


@dataclass(frozen=True)
class Entry:
    name: str
    title: str
    icon: str
    key: str
    action: str = ""


@dataclass(frozen=True)
class Link:
    title: str
    url: str
    icon: str
    key: str
    current: bool
    counted: bool


ENTRIES = (
    Entry("board", "Board", "layout-kanban", "b"),
    Entry("my-work", "My work", "checklist", "w"),
    Entry("orders", "Orders", "clipboard-list", "o"),
    Entry("builds", "Builds", "stack-2", "u"),
    Entry("fleet", "Fleet", "printer", "f"),
    Entry("lots", "Material", "bottle", "l"),
    Entry("audit-trail", "Audit trail", "history", "a", "mes.read_audit_trail"),
    Entry("retention", "Retention", "lock", "r", "mes.place_hold"),
    Entry("safekeeping", "Safekeeping", "database", "s", "mes.read_safekeeping"),
    Entry("dead-letters", "Deliveries", "inbox", "d", "mes.operate_deliveries"),
)


def roles_behind(request: HttpRequest) -> frozenset[Role]:
    """Roles of the person behind the request; none for a program's account."""
    known: frozenset[Role] | None = getattr(request, "lamina_roles", None)
    if known is None:
        account = request.user
        person = account.person if isinstance(account, Account) else None
        known = roles_of(person) if person else frozenset()
        request.lamina_roles = known  # type: ignore[attr-defined] # asked several times in one answer
    return known


def links_for(request: HttpRequest) -> list[Link]:
    roles = roles_behind(request)
    current = request.resolver_match.view_name if request.resolver_match else ""
    return [
        Link(
            entry.title,
            reverse(entry.name),
            entry.icon,
            entry.key,
            current == entry.name,
            entry.name == "my-work",
        )
        for entry in ENTRIES
        if not entry.action or PERMISSIONS[entry.action].roles & roles
    ]
