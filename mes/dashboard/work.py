"""My work: what waits for the roles of the person who looks."""

from __future__ import annotations

from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mes.api.actors import viewer_behind
from mes.dashboard.navigation import roles_behind
from mes.dashboard.together import offered_together
from mes.panels import TASKS_PER_PAGE, count_tasks, open_tasks


def my_work(request: HttpRequest) -> HttpResponse:
    """A page of what waits, most urgent first; the same number of queries however much waits."""
    roles = roles_behind(request)
    viewer = viewer_behind(request)
    count = count_tasks(roles, viewer=viewer)
    pages = max(1, -(-count // TASKS_PER_PAGE))
    number = min(_page_asked(request), pages)
    tasks = open_tasks(roles, start=(number - 1) * TASKS_PER_PAGE, viewer=viewer)
    by_title = [
        (title, list(group))
        for title, group in groupby(sorted(tasks, key=lambda task: task.title), lambda task: task.title)
    ]
    context = {
        "groups": by_title,
        "count": count,
        "late": count_tasks(roles, before=timezone.localdate(), viewer=viewer),
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


def _page_asked(request: HttpRequest) -> int:
    asked = request.GET.get("page", "1")
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1


def my_work_count(request: HttpRequest) -> HttpResponse:
    """The number beside the page's name, empty where nothing waits."""
    count = count_tasks(roles_behind(request), viewer=viewer_behind(request))
    return HttpResponse(str(count) if count else "")
