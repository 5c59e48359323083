"""Material: lots in the store, and where each went, to the devices and back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from devices.models import Device
from mes.api.actors import viewer_behind
from mes.dashboard.actions import offered
from mes.dashboard.devices import shown_panels
from mes.dashboard.files import files_shown
from mes.dashboard.find import CODE, number_of
from mes.dashboard.records import told
from mes.dashboard.routes import is_fragment
from mes.scope import visible
from mes.selectors import events_of, handwritten_of, signatures_of
from printing.choices import JobState, LotState
from printing.models import BuildItem, Consumption, MaterialLot, PrintJob
from printing.selectors.material import jobs_of_lot

PER_PAGE = 100
UNBOOKED = {
    JobState.CLAIMED: ("waits on", "nothing is booked yet"),
    JobState.STARTING: ("is being started on", "nothing is booked yet"),
    JobState.PRINTING: ("prints now on", "nothing is booked yet"),
    JobState.PAUSED: ("stands still on", "nothing is booked yet"),
    JobState.UNCERTAIN: ("is uncertain on", "nothing is booked until a person has said what became of it"),
    JobState.FINISHED: ("finished on", "nothing was booked"),
    JobState.FAILED: ("failed on", "nothing was booked"),
    JobState.CANCELLED: ("was cancelled on", "nothing was booked"),
}
"""What is said of a print of which nothing of the lot is booked: what it does, and what that means for the balance."""


@dataclass(frozen=True)
class Used:
    """One print that took, or takes, material of a lot: what was booked so far, and the devices on its plate."""

    job: PrintJob
    consumption: Consumption | None
    devices: tuple[Device, ...]

    @property
    def unbooked(self) -> tuple[str, str]:
        return UNBOOKED[JobState(self.job.state)]


def lots_shown(request: HttpRequest) -> QuerySet[MaterialLot]:
    known = visible(MaterialLot.objects.select_related("material"), viewer_behind(request))
    shown = known.annotate(boxes=Count("containers")).order_by("-pk")
    state = request.GET.get("state", "")
    if state in LotState.values:
        shown = shown.filter(state=state)
    search = request.GET.get("q", "").strip()[:40]
    code = CODE.match(search)
    if code and code[1].upper() == "L":
        return shown.filter(pk=int(code[2]))
    if search:
        shown = shown.filter(supplier_lot__icontains=search) | shown.filter(material__name__icontains=search)
    return shown


def lot_list(request: HttpRequest) -> HttpResponse:
    found = list(lots_shown(request)[: PER_PAGE + 1])
    context = {
        "lots": found[:PER_PAGE],
        "more": len(found) > PER_PAGE,
        "states": LotState.choices,
        "state": request.GET.get("state", ""),
        "search": request.GET.get("q", "")[:40],
        "today": timezone.localdate(),
        "actions": offered(request, "lots", None),
    }
    return render(
        request, "printing/parts/lot_rows.html" if is_fragment(request) else "printing/lots.html", context
    )


def lot_by(request: HttpRequest, code: str) -> MaterialLot:
    found = (
        visible(MaterialLot.objects.all(), viewer_behind(request))
        .select_related("material", "received_by", "released_by")
        .filter(pk=number_of(code, "L"))
        .first()
    )
    if found is None:
        raise Http404
    return found


def uses_of(lot: MaterialLot) -> list[Used]:
    """Forward trace: every print that took of the lot, running ones included, and its devices. Three queries."""
    jobs = list(jobs_of_lot(lot))
    booked = {
        row.job_id: row for row in lot.consumptions.select_related("container").filter(job__isnull=False)
    }
    members: dict[int, list[Device]] = defaultdict(list)
    items = BuildItem.objects.filter(build__in=[job.build_id for job in jobs])
    for item in items.select_related("device__order", "device__master").order_by("device_id"):
        members[item.build_id].append(item.device)
    return [Used(job, booked.get(job.pk), tuple(members[job.build_id])) for job in jobs]


def lot_page(request: HttpRequest, code: str) -> HttpResponse:
    lot = lot_by(request, code)
    context = {
        "lot": lot,
        "containers": lot.containers.select_related("printer").order_by("pk"),
        "uses": uses_of(lot),
        "today": timezone.localdate(),
        "actions": offered(request, "lot", lot),
        "panels": shown_panels(request, "lot", lot),
        "files": files_shown(request, "lot", lot),
        "signatures": signatures_of(lot),
        "handwritten": handwritten_of(lot),
        "events": told(list(events_of(lot).order_by("-version")[:50])),
    }
    return render(request, "printing/lot.html", context)
