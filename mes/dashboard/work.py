"""My work: what waits for the roles of the person who looks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mes.api.actors import viewer_behind
from mes.dashboard.navigation import Start, roles_behind, starts_for
from mes.dashboard.together import offered_together
from mes.panels import TASKS_PER_PAGE, Task, count_tasks, personal_tasks, task_page


def my_work(request: HttpRequest) -> HttpResponse:
    """A page of what waits, most urgent first; the same number of queries however much waits."""
    roles = roles_behind(request)
    viewer = viewer_behind(request)
    number = _page_asked(request)
    if number > 1:
        number = min(number, _pages(count_tasks(roles, viewer=viewer)))
    day, start = timezone.localdate(), (number - 1) * TASKS_PER_PAGE
    shown = task_page(roles, day=day, start=start, viewer=viewer)
    pages = _pages(shown.count)
    own = _own(request)
    by_title = [
        (title, list(group))
        for title, group in groupby(
            sorted([*own, *shown.tasks], key=lambda task: task.title), lambda task: task.title
        )
    ]
    context = {
        "groups": by_title,
        "count": shown.count + len(own),
        "late": shown.late,
        "together": offered_together(request),
        "paging": {
            "page": number,
            "pages": pages,
            "previous": number - 1,
            "next": number + 1 if number < pages else 0,
        },
        "roles": sorted(str(r.label) for r in roles),
    }
    return render(request, "mes/my_work.html", context)


def _pages(count: int) -> int:
    return max(1, -(-count // TASKS_PER_PAGE))


@dataclass(frozen=True)
class Waiting:
    """What the front page says to whoever comes: what waits, or where to begin. `titles`: each task with how often."""

    count: int
    late: int
    titles: tuple[tuple[str, int], ...]
    starts: tuple[Start, ...]

    @property
    def whole(self) -> bool:
        return self.count == sum(often for _, often in self.titles)


def waiting_for(request: HttpRequest) -> Waiting:
    """The most urgent kinds of task first; the same number of queries however much waits."""
    roles, viewer = roles_behind(request), viewer_behind(request)
    own = _own(request)
    shown = task_page(roles, day=timezone.localdate(), viewer=viewer)
    count = shown.count + len(own)
    if not count:
        return Waiting(0, 0, (), starts_for(request))
    often = Counter(task.title for task in [*shown.tasks, *own])
    return Waiting(count, shown.late, tuple(often.items()), ())


def _own(request: HttpRequest) -> list[Task]:
    """What waits for this person by name."""
    person_id = getattr(request.user, "person_id", None)
    return personal_tasks(person_id) if person_id else []


def _page_asked(request: HttpRequest) -> int:
    asked = request.GET.get("page", "1")
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1


def my_work_count(request: HttpRequest) -> HttpResponse:
    """The number beside the page's name, empty where nothing waits."""
    count = count_tasks(roles_behind(request), viewer=viewer_behind(request)) + len(_own(request))
    return HttpResponse(str(count) if count else "")
