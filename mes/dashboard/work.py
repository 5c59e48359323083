"""My work: what waits for the roles of the person who looks."""

from __future__ import annotations

from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mes.api.actors import viewer_behind
from mes.dashboard.find import KINDS
from mes.dashboard.navigation import roles_behind
from mes.panels import Task, open_tasks
from mes.scope import visible

SHOWN = 300


def tasks_for(request: HttpRequest) -> list[Task]:
    """What waits for the roles of whoever looks, about what they may know."""
    viewer = viewer_behind(request)
    tasks = open_tasks(viewer.roles)
    if viewer.every_order:
        return tasks
    known = {
        f"{letter}{key:07d}"
        for letter, (model, _) in KINDS.items()
        for key in visible(model._default_manager.all(), viewer).values_list("pk", flat=True)
    }
    return [task for task in tasks if task.code in known]


def my_work(request: HttpRequest) -> HttpResponse:
    roles = roles_behind(request)
    tasks = tasks_for(request)
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
        "roles": sorted(str(r.label) for r in roles),
    }
    return render(request, "mes/my_work.html", context)


def my_work_count(request: HttpRequest) -> HttpResponse:
    """The number beside the page's name, empty where nothing waits."""
    count = len(tasks_for(request))
    return HttpResponse(str(count) if count else "")
