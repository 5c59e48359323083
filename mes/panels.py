"""Panels and worklists: how a package shows its data on pages that it does not own.

A *panel* is a fragment of the page of a device, an order, a printer or a lot, registered by the package that owns the
data. A *worklist* says what waits for whom: one function for each kind of step that needs a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.http import HttpRequest

from mes.choices import Role
from mes.registry import Registry


@dataclass(frozen=True)
class PanelContent:
    """What to render: a template and its context. Return None from a panel to leave it out."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """`page` is "device", "order", "printer" or "lot"; `order` is its place from the top."""

    id: str
    page: str
    title: str
    order: int
    content: Callable[[HttpRequest, Any], PanelContent | None]


PANELS: Registry[Panel] = Registry("panel")


def panel(id: str, *, page: str, title: str, order: int) -> Callable[[Callable[[HttpRequest, Any], PanelContent | None]], Callable[[HttpRequest, Any], PanelContent | None]]:  # fmt: skip
    """Register a panel ("package.name")."""

    def declare(
        content: Callable[[HttpRequest, Any], PanelContent | None],
    ) -> Callable[[HttpRequest, Any], PanelContent | None]:
        PANELS.add(id, Panel(id, page, title, order, content))
        return content

    return declare


def panels_of(page: str) -> list[Panel]:
    return sorted(
        (panel for panel in PANELS.values() if panel.page == page), key=lambda panel: (panel.order, panel.id)
    )


@dataclass(frozen=True)
class Task:
    """One thing that waits for a person. `code` is the thing's public code (D0000001), never patient data."""

    title: str
    code: str
    url: str
    roles: frozenset[Role]
    need_by: date | None = None


WORKLISTS: Registry[Callable[[], Iterable[Task]]] = Registry("worklist")
"""Register with `@WORKLISTS.register("package.step")`: a function without arguments that yields every open task."""


def open_tasks(roles: frozenset[Role] | None = None) -> list[Task]:
    """What waits, most urgent first; for a person's roles, or for everybody."""
    tasks = [task for worklist in WORKLISTS.values() for task in worklist()]
    mine = [task for task in tasks if roles is None or task.roles & roles]
    return sorted(mine, key=lambda task: (task.need_by or date.max, task.code, task.title))
