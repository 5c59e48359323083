"""Material on a printer, by the label that was read from the container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Refused
from mes.lifecycle import ask_gates, refuse_blocked
from mes.permissions import require
from printing.choices import ContainerState, LotState
from printing.events import ContainerLoaded, ContainerOpened, ContainerUnloaded, LotTakenIntoUse
from printing.lifecycle import LOT
from printing.live import tell_after_commit
from printing.models import Container, MaterialLot, Printer
from printing.selectors.jobs import job_holding
from printing.services.labels import read_label
from printing.services.moves import locked, move, write


@dataclass(frozen=True)
class Loading:
    """What the gates of "printer.load" look at."""

    printer: Printer
    container: Container


@unit_of_work
def load_container(*, printer_id: int, scanned_code: str, actor: Actor) -> Container:
    """Put a container on a printer (G-MAT-01, G-MAT-02, G-MAT-08). The one that was there is taken off."""
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.load_container", printer)
    label = read_label(scanned_code)
    container = _find(label)
    if printer.container_id == container.pk:
        return container
    results = ask_gates("printer.load", Loading(printer, container), actor=actor)
    refuse_blocked(results)
    if printer.container_id:
        _unload(printer, actor)
    write(printer, **_loaded(printer, container))
    _open(container, actor)
    loaded = ContainerLoaded(
        printer_id=printer.pk,
        container_id=container.pk,
        lot_id=container.lot_id,
        label=label,
        gates=[result.as_payload() for result in results],
    )
    publish(printer, loaded, actor=actor)
    tell_after_commit(printer.pk)
    return container


def _find(label: str) -> Container:
    found = Container.objects.filter(label=label).values_list("pk", flat=True).first()
    if found is None:
        raise Refused(
            f"No container has the label {label}.",
            cure="Scan the label of a container that was received here.",
            rule="G-MAT-08",
        )
    container = locked(Container, found, what="container")
    container.lot = locked(MaterialLot, container.lot_id, what="lot")
    return container


def _loaded(printer: Printer, container: Container) -> dict[str, Any]:
    material = container.lot.material_id
    changes: dict[str, Any] = {"container": container, "last_material_id": material}
    if printer.last_material_id not in (None, material):
        changes["clearance_needed"] = "the material was changed"
    return changes


def _open(container: Container, actor: Actor) -> None:
    if container.state == ContainerState.SEALED:
        write(container, state=ContainerState.OPEN, opened_at=timezone.now())
        publish(container, ContainerOpened(container_id=container.pk), actor=actor)
    lot = container.lot
    if lot.state == LotState.RELEASED:
        move(lot, LOT, "take_into_use")
        publish(lot, LotTakenIntoUse(lot_id=lot.pk, container_id=container.pk), actor=actor)


@unit_of_work
def unload_container(*, printer_id: int, actor: Actor) -> None:
    """Take the container off a printer that no job holds."""
    printer = locked(Printer, printer_id, what="printer")
    require(actor, "printing.load_container", printer)
    if job := job_holding(printer):
        raise Refused(f"{job.code} holds this printer.", cure="End the job and clear the plate first.")
    if printer.container_id is None:
        raise Refused("No container is loaded.", cure="Nothing to take off.")
    _unload(printer, actor)


def _unload(printer: Printer, actor: Actor) -> None:
    was = printer.container_id
    write(printer, container=None)
    if was is not None:
        publish(printer, ContainerUnloaded(printer_id=printer.pk, container_id=was), actor=actor)
        tell_after_commit(printer.pk)
