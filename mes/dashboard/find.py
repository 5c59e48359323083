"""Public codes: what a person types or scans, and the page it leads to."""

from __future__ import annotations

import re

from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from devices.models import Arrival, Device, Kit, Order
from mes.api.actors import viewer_behind
from mes.dashboard.doors import opens
from mes.models import Disposal, EmergencyAccess, ErasureRequest, LegalHold
from mes.scope import Viewer, visible
from printing.models import Build, Container, MaterialLot, Printer, PrintJob
from quality.models import Gauge, Nonconformance, Package

KINDS: dict[str, tuple[type[Model], str]] = {
    "D": (Device, "device"),
    "O": (Order, "order"),
    "L": (MaterialLot, "lot"),
    "B": (Build, "build"),
    "M": (Printer, "printer"),
    "E": (EmergencyAccess, "emergency"),
    "R": (ErasureRequest, "erasure"),
    "H": (LegalHold, "hold"),
    "Z": (Disposal, "disposal"),
    "G": (Gauge, "gauge"),
    "K": (Package, "package"),
    "A": (Arrival, "arrival"),
    "C": (Kit, "kit"),
}
CODE = re.compile(r"^\s*([A-Za-z])[\s-]*0*([0-9]{1,12})\s*$")


def number_of(code: str, letter: str) -> int:
    """The row's number behind a code such as D0000012. Raises Http404 for anything else."""
    found = CODE.match(code)
    if found is None or found[1].upper() != letter:
        raise Http404
    return int(found[2])


def find(request: HttpRequest) -> HttpResponse:
    """Go to what a code names. Reads serial numbers and container labels too, as a scanner sends them.

    A code whose page does not open for who asks is answered as one that nobody has (11.10(d)).
    """
    code = request.GET.get("code", "").strip()[:40]
    target = _page_of(code, viewer_behind(request))
    if target and opens(request, *target):
        return redirect(target[0], code=target[1])
    return render(request, "mes/not_found.html", {"code": code}, status=404)


def _page_of(code: str, viewer: Viewer) -> tuple[str, str] | None:
    found = CODE.match(code)
    if found:
        return _by_number(found[1].upper(), int(found[2]), viewer)
    device = visible(Device.objects.filter(serial=code.upper()), viewer).first() if code else None
    if device:
        return "device", device.code
    containers = Container.objects.filter(label=code.upper()).select_related("lot")
    container = visible(containers, viewer).first() if code else None
    return ("lot", container.lot.code) if container else None


def _by_number(letter: str, number: int, viewer: Viewer) -> tuple[str, str] | None:
    if letter == "J":
        job = visible(PrintJob.objects.filter(pk=number), viewer).select_related("build").first()
        return ("build", job.build.code) if job else None
    if letter == "N":
        findings = visible(Nonconformance.objects.filter(pk=number), viewer)
        finding = findings.select_related("device").first()
        return ("device", finding.device.code) if finding else None
    if letter not in KINDS:
        return None
    model, name = KINDS[letter]
    if not visible(model._default_manager.filter(pk=number), viewer).exists():
        return None
    return name, f"{letter}{number:07d}"
