"""The board: every device on its way, by phase, the late ones first, and whom each waits for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from devices.choices import Phase, Stage
from devices.models import Device, DeviceMaster
from devices.selectors.devices import devices as every_device
from devices.selectors.progress import waits_for
from mes.api.actors import viewer_behind
from mes.dashboard.find import CODE
from mes.dashboard.routes import is_fragment
from mes.dashboard.sheets import as_csv
from mes.dashboard.work import waiting_for
from mes.scope import visible
from printing.selectors.jobs import decisions_about

PER_COLUMN = 60
PER_LIST = 100
DONE = (Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED)
ENDED = (Stage.DELIVERED, Stage.SCRAPPED, Stage.CANCELLED)
SORTS = {
    "need_by": ("need_by", "pk"),
    "code": ("pk",),
    "stage": ("stage", "need_by", "pk"),
    "changed": ("-changed_at", "pk"),
}


@dataclass(frozen=True)
class Filters:
    """What the address says; the page can be bookmarked as it is."""

    search: str
    master: str
    late: bool
    held: bool
    ended: bool
    sort: str

    @classmethod
    def of(cls, request: HttpRequest) -> Filters:
        asked = request.GET
        sort = asked.get("sort", "need_by")
        return cls(
            search=asked.get("q", "").strip()[:60],
            master=asked.get("master", "")[:40],
            late="late" in asked,
            held="held" in asked,
            ended="ended" in asked,
            sort=sort if sort in SORTS else "need_by",
        )

    @property
    def any(self) -> bool:
        return bool(self.search or self.master or self.late or self.held)


@dataclass(frozen=True)
class Card:
    """`waits_for`: in words; a hold's own reason is shown beside it."""

    device: Device
    late: bool
    waits_for: str


@dataclass(frozen=True)
class Column:
    key: str
    title: str
    count: int
    late: int
    cards: tuple[Card, ...]

    @property
    def more(self) -> int:
        return self.count - len(self.cards)


def is_late(device: Device, today: date) -> bool:
    return device.need_by < today and device.stage not in (*DONE, *ENDED)


def devices_shown(filters: Filters) -> QuerySet[Device]:
    """Devices that the filters let through, in order."""
    shown = every_device()
    if not filters.ended:
        shown = shown.exclude(stage__in=ENDED)
    if filters.search:
        shown = shown.filter(_matches(filters.search))
    if filters.master:
        shown = shown.filter(master__code=filters.master)
    if filters.late:
        shown = shown.filter(need_by__lt=timezone.localdate()).exclude(stage__in=DONE)
    if filters.held:
        shown = shown.filter(held=True)
    return shown.order_by(*SORTS[filters.sort])


def _matches(search: str) -> Q:
    by_text = (
        Q(serial__icontains=search) | Q(master__title__icontains=search) | Q(material__code__icontains=search)
    )
    code = CODE.match(search)
    if code is None:
        return by_text
    number = int(code[2])
    return by_text | (Q(order_id=number) if code[1].upper() == "O" else Q(pk=number))


def cards_of(devices: Iterable[Device]) -> Iterator[Card]:
    """In the order given; what a person must decide about a print is asked once for all of them."""
    today, found = timezone.localdate(), list(devices)
    undecided = decisions_about([device.pk for device in found if device.stage == Stage.IN_BUILD])
    for device in found:
        waits = "" if device.held else undecided.get(device.pk) or waits_for(device)
        yield Card(device, is_late(device, today), waits)


def columns_of(shown: QuerySet[Device]) -> list[Column]:
    """The columns with their first cards: one query for the counts and one for each column that has any."""
    today = timezone.localdate()
    counts: dict[str, dict[str, Any]] = {
        row["phase"]: dict(row)
        for row in shown.order_by()
        .values("phase")
        .annotate(count=Count("pk"), late=Count("pk", Q(need_by__lt=today) & ~Q(stage__in=(*DONE, *ENDED))))
    }
    devices = [
        device
        for phase in Phase
        if phase.value in counts
        for device in shown.filter(phase=phase)[:PER_COLUMN]
    ]
    cards: dict[str, list[Card]] = defaultdict(list)
    for card in cards_of(devices):
        cards[card.device.phase].append(card)
    return [
        Column(
            phase.value,
            str(phase.label),
            counts.get(phase.value, {}).get("count", 0),
            counts.get(phase.value, {}).get("late", 0),
            tuple(cards[phase.value]),
        )
        for phase in Phase
    ]


def board(request: HttpRequest) -> HttpResponseBase:
    filters = Filters.of(request)
    shown = visible(devices_shown(filters), viewer_behind(request))
    if request.GET.get("as") == "csv":
        return _csv(shown)
    if request.GET.get("as") == "list":
        return _list(request, filters, shown)
    columns = columns_of(shown)
    return _render(request, "board", filters, {"columns": columns, "total": sum(c.count for c in columns)})


def _list(request: HttpRequest, filters: Filters, shown: QuerySet[Device]) -> HttpResponse:
    asked = request.GET.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
    start = (max(number, 1) - 1) * PER_LIST
    found = list(shown[start : start + PER_LIST + 1])
    paging = {"page": number, "previous": number - 1, "next": number + 1 if len(found) > PER_LIST else 0}
    cards = list(cards_of(found[:PER_LIST]))
    return _render(request, "list", filters, {"cards": cards, "paging": paging, "total": shown.count()})


def _render(request: HttpRequest, kind: str, filters: Filters, context: dict[str, object]) -> HttpResponse:
    if is_fragment(request):
        return render(
            request,
            f"mes/parts/board_{kind}.html",
            {"kind": kind, "filters": filters, "query": _query(request), **context},
        )
    masters = DeviceMaster.objects.order_by("code").values_list("code", "title").distinct("code")
    page = {"masters": masters, "waiting": waiting_for(request)}
    shown = {"kind": kind, "filters": filters, "query": _query(request)}
    return render(request, "mes/board.html", {**page, **shown, **context})


def _query(request: HttpRequest) -> str:
    """The filters as they stand in the address, without the shape and the page."""
    query = request.GET.copy()
    for key in ("as", "page"):
        query.pop(key, None)
    return query.urlencode()


def _csv(shown: QuerySet[Device]) -> HttpResponseBase:
    head = (
        "device",
        "order",
        "serial",
        "type",
        "intended use",
        "stage",
        "phase",
        "held",
        "need by",
        "waits for",
    )
    rows = (
        (
            card.device.code,
            card.device.order.code,
            card.device.serial,
            card.device.master.title,
            card.device.master.intended_use,
            card.device.stage,
            card.device.phase,
            "yes" if card.device.held else "no",
            card.device.need_by.isoformat(),
            card.waits_for,
        )
        for card in cards_of(shown.iterator(chunk_size=1000))
    )
    return as_csv("devices", head, rows)
