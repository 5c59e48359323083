"""Panels and worklists: how a package shows its data on pages that it does not own.

A *panel* is a fragment of the page of a device, an order, a printer or a lot, registered by the package that owns the
data. A *worklist* says what waits for whom: one function for each kind of step that needs a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import BigIntegerField, CharField, DateField, F, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.http import HttpRequest

from mes.choices import Role
from mes.registry import Registry
from mes.scope import Viewer, visible


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
    since: datetime | None = None


PAGES = {
    "D": "devices", "O": "orders", "B": "builds", "M": "printers", "L": "lots", "G": "gauges", "K": "packages", "A": "arrivals",
    "C": "kits",
}  # fmt: skip


def page_of(row: Any) -> tuple[str, str]:
    """A row's public code, and the page about it."""
    code = str(row.code)
    return code, f"/{PAGES[code[0]]}/{code}/"


def unknown(row: Any) -> None:
    return None


@dataclass(frozen=True)
class Worklist:
    """What waits for some roles at one step. Rows are counted and ordered by the database; only a page becomes tasks.

    `title`: the task in words, or how a row says it. `shown`: a row's code and page. `need_by`: where the date stands.
    `since`: since when a row waits, where it says so.
    """

    id: str
    title: str | Callable[[Any], str]
    roles: frozenset[Role]
    rows: Callable[[], QuerySet[Any]]
    need_by: str | Combinable
    shown: Callable[[Any], tuple[str, str]] = page_of
    own_company: bool = False
    since: Callable[[Any], datetime | None] = unknown

    def task(self, row: Any, need_by: date | None) -> Task:
        title = self.title if isinstance(self.title, str) else self.title(row)
        return Task(title, *self.shown(row), self.roles, need_by, self.since(row))

    def places(self, viewer: Viewer | None = None) -> QuerySet[Any]:
        """(worklist, key, date) of every row that the viewer may know: what the database needs to count and order them."""
        date_of = F(self.need_by) if isinstance(self.need_by, str) else self.need_by
        rows: QuerySet[Any] = self._known(viewer).order_by().annotate(
            task_list=Value(self.id, CharField()),
            task_key=Cast("pk", BigIntegerField()),
            task_need=Cast(date_of, DateField()),
        )  # fmt: skip
        return rows.values_list("task_list", "task_key", "task_need")

    def _known(self, viewer: Viewer | None) -> QuerySet[Any]:
        if viewer is not None and viewer.external and self.own_company:
            return self.rows().none()
        return self.rows() if viewer is None else visible(self.rows(), viewer)


WORKLISTS: Registry[Worklist] = Registry("worklist")
NEVER = Value(None, DateField())
TASKS_PER_PAGE = 50


def worklist(
    id: str,
    title: str | Callable[[Any], str],
    *roles: Role,
    need_by: str | Combinable = NEVER,
    shown: Callable[[Any], tuple[str, str]] = page_of,
    own_company: bool = False,
    since: Callable[[Any], datetime | None] = unknown,
) -> Callable[[Callable[[], QuerySet[Any]]], Callable[[], QuerySet[Any]]]:
    """Register a worklist ("package.step"): a function without arguments that gives the rows that wait.

    `own_company`: nothing of it waits for people of other companies."""

    def declare(rows: Callable[[], QuerySet[Any]]) -> Callable[[], QuerySet[Any]]:
        WORKLISTS.add(id, Worklist(id, title, frozenset(roles), rows, need_by, shown, own_company, since))
        return rows

    return declare


def open_tasks(
    roles: frozenset[Role] | None = None,
    *,
    start: int = 0,
    limit: int = TASKS_PER_PAGE,
    viewer: Viewer | None = None,
) -> list[Task]:
    """A page of what waits, most urgent first; for a person's roles, or for everybody.

    One query for the page, and one for each worklist that stands on it.
    """
    places = _places(roles, viewer=viewer)
    return [] if places is None else _tasks_at(_in_order(places)[start : start + limit])


@dataclass(frozen=True)
class TaskPage:
    """A page of what waits. count, late: of everything that waits, and of what was needed before the day that was asked."""

    tasks: list[Task]
    count: int = 0
    late: int = 0


def task_page(roles: frozenset[Role], *, day: date, start: int = 0, viewer: Viewer | None = None) -> TaskPage:
    """A page of what waits for some roles, most urgent first. Where it is the only one, nothing has to be counted apart:
    to put all the worklists of somebody with many roles together takes a while."""
    places = _places(roles, viewer=viewer)
    if places is None:
        return TaskPage([])
    found = list(_in_order(places)[start : start + TASKS_PER_PAGE + 1])
    tasks = _tasks_at(found[:TASKS_PER_PAGE])
    if start == 0 and len(found) <= TASKS_PER_PAGE:
        return TaskPage(tasks, len(found), sum(need is not None and need < day for _, _, need in found))
    return TaskPage(tasks, places.count(), count_tasks(roles, before=day, viewer=viewer))


def _in_order(places: QuerySet[Any]) -> QuerySet[Any]:
    return places.order_by("task_need", "task_list", "task_key")


def _tasks_at(places: Iterable[tuple[str, int, date | None]]) -> list[Task]:
    page = list(places)
    keys: dict[str, list[int]] = defaultdict(list)
    for name, key, _ in page:
        keys[name].append(key)
    rows = {name: WORKLISTS[name].rows().in_bulk(found) for name, found in keys.items()}
    return [
        WORKLISTS[name].task(rows[name][key], need_by) for name, key, need_by in page if key in rows[name]
    ]


def count_tasks(
    roles: frozenset[Role] | None = None, *, before: date | None = None, viewer: Viewer | None = None
) -> int:
    """How many things wait; with `before`, how many of them were needed before that day. One query."""
    places = _places(roles, before, viewer)
    return 0 if places is None else places.count()


def _places(
    roles: frozenset[Role] | None, before: date | None = None, viewer: Viewer | None = None
) -> QuerySet[Any] | None:
    mine = [one for one in WORKLISTS.values() if roles is None or one.roles & roles]
    parts = [one.places(viewer) for one in mine]
    if before is not None:
        parts = [part.filter(task_need__lt=before) for part in parts]
    return parts[0].union(*parts[1:], all=True) if parts else None


PersonalTasks = Callable[[int], list[Task]]
PERSONAL: Registry[PersonalTasks] = Registry("personal worklist")
"""What waits for one person and not for a role: each gives the tasks of a person."""


def personal_tasks(person_id: int) -> list[Task]:
    """What waits for this person by name, whatever their roles."""
    return [task for worklist in PERSONAL.values() for task in worklist(person_id)]
