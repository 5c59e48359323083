"""How long what was printed is kept: a build and a lot as long as the longest kept device that was made with them (7.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from devices.models import Device, Order
from devices.retention import facts_of_devices, last_happened, order_tags
from mes.models import Patient
from mes.retention import (
    LEADING_TO_PATIENTS,
    Facts,
    Tag,
    kept_with,
    reached_by,
    retained,
    retained_for_good,
)
from printing.choices import USED_UP, BuildState
from printing.models import Build, Container, MaterialLot, PrinterCommand, PrintJob
from printing.selectors.material import device_lots, devices_made_from

GIVEN_UP = frozenset({BuildState.FAILED, BuildState.CANCELLED})

kept_with("printing.build", "printing_build_item", by="build_id", files=("mesh_sha256",))
kept_with("printing.build", "printing_preparation", by="build_id")
kept_with("printing.lot", "printing_consumption", by="lot_id")
kept_with("printing.printer", "printing_qualified_triple", by="printer_id")
kept_with("printing.printer", "printing_contact", by="printer_id")
kept_with("printing.printer", "printing_fleet_lease")
retained_for_good("printing.parameter_set", "R-13485", because="devices were printed with it")
retained_for_good("printing.printer", "R-13485", because="devices were printed on it")


def devices_of_build(build: Build) -> list[Device]:
    """Those of failed and given-up plates too: what failed is kept as long as what succeeded."""
    return list(
        Device.objects.filter(build_items__build=build).select_related("master", "order__patient").distinct()
    )


@retained("printing.build", "R-13485", disposable=True)
def _build_facts(build: Build) -> Facts:
    found = facts_of_devices(devices_of_build(build))
    if found is not None:
        return found
    if build.state not in GIVEN_UP:
        return Facts(None, f"{build.code} is not finished")
    return Facts(last_happened("printing.build", build.pk))


@retained("printing.lot", "R-13485", disposable=True)
def _lot_facts(lot: MaterialLot) -> Facts:
    """In use it has no clock; afterwards it is kept with the last device made of it."""
    if lot.state not in USED_UP:
        return Facts(None, f"{lot.code} is {lot.get_state_display()}")
    made = facts_of_devices(devices_made_from(lot).select_related("master"))
    return made or Facts(last_happened("printing.lot", lot.pk))


@retained("printing.container", "R-13485")
def _container_facts(container: Container) -> Facts:
    return _lot_facts(container.lot)


@retained("printing.job", "R-13485")
def _job_facts(job: PrintJob) -> Facts:
    return _build_facts(job.build)


@retained("printing.command", "R-13485")
def _command_facts(command: PrinterCommand) -> Facts:
    return _build_facts(command.job.build)


# --- what a legal hold on an order, a patient or a lot reaches


def _lot_tags(lots: Any) -> Iterator[Tag]:
    for pk in lots.order_by("pk").values_list("pk", flat=True):
        yield "lot", str(pk)


@reached_by("printing.lots_of_devices", "devices.device")
def lots_of_device(device: Device) -> Iterator[Tag]:
    yield from _lot_tags(device_lots(device))


@reached_by("printing.lots_of_orders", "devices.order")
def _lots_of_order(order: Order) -> Iterator[Tag]:
    for device in order.devices.order_by("pk"):
        yield from lots_of_device(device)


@reached_by("printing.lots_of_patients", "mes.patient")
def _lots_of_patient(patient: Patient) -> Iterator[Tag]:
    for device in Device.objects.filter(order__patient=patient).order_by("pk"):
        yield from lots_of_device(device)


def _leading_to(patient: Patient) -> Iterator[QuerySet[Any]]:
    devices = Device.objects.filter(order__patient=patient)
    builds = Build.objects.filter(items__device__in=devices)
    lots = MaterialLot.objects.filter(pk__in=[lot.pk for device in devices for lot in device_lots(device)])
    yield builds.distinct()
    yield PrintJob.objects.filter(build__in=builds)
    yield PrinterCommand.objects.filter(job__build__in=builds)
    yield lots
    yield Container.objects.filter(lot__in=lots)


LEADING_TO_PATIENTS.add("printing", _leading_to)


@reached_by("printing.builds", "printing.build")
def _build_tags(build: Build) -> Iterator[Tag]:
    for device in devices_of_build(build):
        yield from order_tags(device.order)
    for job in build.jobs.select_related("container").order_by("pk"):
        yield "lot", str(job.container.lot_id)


@reached_by("printing.jobs", "printing.job")
def _job_tags(job: PrintJob) -> Iterator[Tag]:
    yield from _build_tags(job.build)


@reached_by("printing.commands", "printing.command")
def _command_tags(command: PrinterCommand) -> Iterator[Tag]:
    yield from _build_tags(command.job.build)


@reached_by("printing.lots", "printing.lot")
def _own_and_made(lot: MaterialLot) -> Iterator[Tag]:
    yield "lot", str(lot.pk)
    for device in devices_made_from(lot).select_related("order__patient"):
        yield from order_tags(device.order)


@reached_by("printing.containers", "printing.container")
def _container_tags(container: Container) -> Iterator[Tag]:
    yield from _own_and_made(container.lot)
