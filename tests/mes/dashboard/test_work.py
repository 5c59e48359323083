"""My work: counted and cut into pages by the database, whatever waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from mes.choices import Role
from mes.panels import TASKS_PER_PAGE, WORKLISTS, count_tasks, open_tasks, task_page
from tests.devices.makers import Staff, make_planned
from tests.mes.dashboard.conftest import Visit
from tests.printing.makers import Floor

pytestmark = pytest.mark.django_db
COPIED = [
    str(field.column)
    for field in Device._meta.concrete_fields
    if field.column not in ("id", "serial", "need_by", "created_at", "changed_at")
]


def many(staff: Staff, count: int) -> None:
    """Devices that wait for images, each needed a day after the one before it."""
    first = make_planned(staff)
    columns = ", ".join(COPIED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO devices_device ({columns}, serial, need_by) SELECT {columns}, 'X{first.pk}N' || n, "
            f"need_by + n FROM devices_device, generate_series(1, %s) AS n WHERE id = %s",
            [count - 1, first.pk],
        )


def costs(client: Client) -> dict[str, int]:
    found = {}
    for path in ("/my-work/", "/my-work/?page=2", "/my-work/count/"):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        found[path] = len(queries)
    return found


def test_a_page_asks_as_often_for_5000_devices_as_for_51(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.IMG])
    many(staff, TASKS_PER_PAGE + 1)
    few = costs(client)
    many(staff, 4949)
    assert count_tasks(frozenset({Role.IMG})) == 5000
    assert costs(client) == few
    for ask, number in ((open_tasks, 2), (count_tasks, 1)):
        with CaptureQueriesContext(connection) as queries:
            ask(frozenset({Role.IMG}))
        assert len(queries) == number


def test_no_query_brings_more_rows_than_a_page(staff: Staff) -> None:
    """The keys of the page are named in the query that reads its rows."""
    many(staff, 300)
    with CaptureQueriesContext(connection) as queries:
        open_tasks(frozenset({Role.IMG}))
    (page, rows) = (query["sql"] for query in queries)
    assert f"LIMIT {TASKS_PER_PAGE}" in page
    assert '"id" IN (' in rows


@pytest.mark.parametrize("waiting", [TASKS_PER_PAGE, TASKS_PER_PAGE + 1])
def test_a_page_that_is_all_counts_as_the_database_does(staff: Staff, waiting: int) -> None:
    """One page says by itself how much waits and how much is late, more than one ask."""
    many(staff, waiting)
    roles = frozenset({Role.IMG})
    day = open_tasks(roles)[20].need_by
    assert day is not None
    with CaptureQueriesContext(connection) as queries:
        page = task_page(roles, day=day)
    assert page.tasks == open_tasks(roles)
    assert (page.count, page.late) == (count_tasks(roles), count_tasks(roles, before=day)) == (waiting, 20)
    assert len(queries) == (2 if waiting == TASKS_PER_PAGE else 4)


def test_pages_follow_one_another_without_gap_or_repetition(staff: Staff) -> None:
    many(staff, 120)
    roles = frozenset({Role.IMG})
    pages = [open_tasks(roles, start=start) for start in (0, 50, 100, 150)]
    assert [len(page) for page in pages] == [50, 50, 20, 0]
    tasks = [task for page in pages for task in page]
    assert len({task.code for task in tasks}) == 120
    assert [task.need_by for task in tasks] == sorted(task.need_by for task in tasks if task.need_by)


def test_the_page_says_how_much_waits_and_how_much_is_late(staff: Staff, as_: Visit) -> None:
    many(staff, 60)
    late = Device.objects.order_by("need_by")[:3].values("pk")
    Device.objects.filter(pk__in=late).update(need_by=timezone.localdate() - timedelta(days=1))
    client = as_(staff[Role.IMG])
    first, second = (client.get(f"/my-work/?page={n}").content.decode() for n in (1, 2))
    assert ("60</span> things" in first, "3 late" in first, "Page 1 of 2" in first) == (True, True, True)
    assert first.count('class="code" href="/devices/') == 50
    assert second.count('class="code" href="/devices/') == 10
    assert client.get("/my-work/count/").content == b"60"
    for odd in ("0", "-1", "x", "99999", "999999999", "²"):
        assert client.get("/my-work/", {"page": odd}).status_code == 200


def test_a_print_to_start_is_as_urgent_as_its_most_urgent_device(floor: Floor) -> None:
    job = floor.dispatch()
    device = floor.build.items.get().device
    (task,) = [task for task in open_tasks(frozenset({Role.OPR})) if task.code == job.code]
    assert (task.title, task.url) == ("Start the print", f"/printers/{floor.printer.code}/")
    assert task.need_by == device.need_by


def test_nothing_waits_for_nobody() -> None:
    assert (open_tasks(frozenset()), count_tasks(frozenset())) == ([], 0)


@pytest.mark.parametrize("name", list(WORKLISTS))
def test_every_worklist_can_be_counted_and_ordered(name: str) -> None:
    assert list(WORKLISTS[name].places()) == []
    assert WORKLISTS[name].roles
