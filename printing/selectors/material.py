"""Lots and their containers: what is there, and the trace from a lot to devices and back."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import Device
from printing.choices import (
    LotState,
)
from printing.models import (
    Consumption,
    Container,
    MaterialLot,
    PrintJob,
)


def lots() -> QuerySet[MaterialLot]:
    return MaterialLot.objects.select_related("material", "received_by", "released_by").order_by("-pk")


def containers() -> QuerySet[Container]:
    return Container.objects.select_related("lot__material", "printer").order_by("-pk")


def lots_at(*states: LotState) -> QuerySet[MaterialLot]:
    return lots().filter(state__in=states).order_by("pk")


def lot_content(lot: MaterialLot) -> dict[str, Any]:
    """What a signature about a lot is over: what was received, and its certificate."""
    return {
        "lot": lot.code,
        "material": lot.material.code,
        "supplier": lot.supplier,
        "supplier_lot": lot.supplier_lot,
        "received": f"{lot.received:.3f}",
        "unit": lot.unit,
        "expires_on": lot.expires_on,
        "expires_precision": lot.expires_precision,
        "certificate": lot.certificate,
        "certificate_file": lot.certificate_file_id,
    }


def jobs_of_lot(lot: MaterialLot) -> QuerySet[PrintJob]:
    """Jobs that used the lot, and those that run on it now and have not booked it yet."""
    booked = Q(consumptions__lot=lot)
    running = Q(container__lot=lot, started_at__isnull=False)
    return (
        PrintJob.objects.filter(booked | running).select_related("build", "printer").distinct().order_by("pk")
    )


def devices_made_from(lot: MaterialLot) -> QuerySet[Device]:
    """Every device that contains material of the lot, finished or not."""
    return Device.objects.filter(build_items__build__jobs__in=jobs_of_lot(lot)).distinct().order_by("pk")


def lot_trace(lot: MaterialLot) -> list[dict[str, Any]]:
    """Forward: each job with its build, printer, quantity and devices."""
    quantities: dict[int | None, Consumption] = {
        row.job_id: row for row in lot.consumptions.select_related("container").filter(job__isnull=False)
    }
    jobs = jobs_of_lot(lot).prefetch_related("build__items__device")
    return [
        {
            "job": job,
            "build": job.build,
            "printer": job.printer,
            "consumption": quantities.get(job.pk),
            "devices": [item.device for item in job.build.items.all()],
        }
        for job in jobs
    ]


def device_lots(device: Device) -> QuerySet[MaterialLot]:
    """Back: every lot that material of the device came from."""
    jobs = PrintJob.objects.filter(build__items__device=device, started_at__isnull=False)
    used = Q(consumptions__job__in=jobs) | Q(containers__jobs__in=jobs)
    return MaterialLot.objects.filter(used).select_related("material").distinct().order_by("pk")


def lots_due_to_expire() -> list[MaterialLot]:
    """Lots whose last day is over and that nobody has marked as expired yet."""
    today = timezone.localdate()
    open_states = ("quarantine", "released", "in_use", "on_hold")
    near = MaterialLot.objects.filter(state__in=open_states, expires_on__lt=today).order_by("pk")
    return [lot for lot in near if lot.last_day < today]
