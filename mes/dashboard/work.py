"""My work: what waits for the roles of the person who looks."""

from __future__ import annotations

from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mes.dashboard.navigation import roles_behind
from mes.dashboard.together import offered_together
from mes.panels import open_tasks

SHOWN = 300


def my_work(request: HttpRequest) -> HttpResponse:
    roles = roles_behind(request)
    tasks = open_tasks(roles)
    by_title = [
        (title, list(group))
        for title, group in groupby(
            sorted(tasks[:SHOWN], key=lambda task: task.title), lambda task: task.title
        )
    ]
    late = sum(1 for task in tasks if task.need_by and task.need_by < timezone.localdate())
    context = {
        "groups": by_title,
        "count": len(tasks),
        "late": late,
        "more": max(0, len(tasks) - SHOWN),
        "together": offered_together(request),
        "roles": sorted(str(r.label) for r in roles),
    }
    return render(request, "mes/my_work.html", context)


def my_work_count(request: HttpRequest) -> HttpResponse:
    """The number beside the page's name, empty where nothing waits."""
    count = len(open_tasks(roles_behind(request)))
    return HttpResponse(str(count) if count else "")
