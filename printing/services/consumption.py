"""Material leaving its container: received = consumed + sampled + wasted + remaining, always (regulatory.md 4.2)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Refused
from mes.limits import quantity_fault, refuse
from mes.permissions import require
from printing.choices import RUNNING_JOBS, ConsumptionBasis, ContainerState, LotState, Unit, Withdrawal
from printing.events import ContainerDrawn, MaterialConsumed, MaterialWithdrawn
from printing.lifecycle import LOT
from printing.models import Consumption, Container, MaterialLot, PrintJob
from printing.services.moves import locked, move, write

MOST = Decimal("1000000")
STEP = Decimal("0.001")


def in_unit(lot: MaterialLot, millilitres: float) -> Decimal:
    """A volume in the unit that the lot is counted in."""
    grams = millilitres * lot.material.density_g_per_ml
    amount = Decimal(str(grams if lot.unit == Unit.G else millilitres))
    return amount.quantize(STEP, ROUND_HALF_UP)


def consume(
    *, job: PrintJob, millilitres: float, basis: ConsumptionBasis, actor: Actor
) -> Consumption | None:
    """Book what a job used on the container it was started with. Part of the calling unit; None where it used nothing.

    More than the container held cannot have come out of it: the booking stops there, and the event says both numbers.
    """
    container, lot = _locked_pair(job.container_id)
    measured = in_unit(lot, millilitres)
    quantity = min(measured, container.remaining)
    if quantity <= 0:
        return None
    booked = Consumption.objects.create(container=container, lot=lot, job=job, quantity=quantity, basis=basis)
    _draw(container, lot, quantity, "consumed", actor)
    fact = MaterialConsumed(
        lot_id=lot.pk,
        container_id=container.pk,
        job_id=job.pk,
        quantity=str(quantity),
        measured=str(measured),
        unit=lot.unit,
        basis=basis,
    )
    publish(lot, fact, actor=actor)
    return booked


@unit_of_work
def withdraw_material(
    *, container_id: int, quantity: Decimal, withdrawal: str, actor: Actor, reason: str
) -> Consumption:
    """Take a sample from a container, or throw material away."""
    container, lot = _locked_pair(container_id)
    require(actor, "printing.withdraw_material", lot)
    if withdrawal not in Withdrawal.values or not reason.strip():
        raise InvalidInput("Say whether it is a sample or waste, and why.", rule="P11-10e")
    refuse(quantity_fault("The quantity", quantity, most=MOST, step=STEP))
    if quantity > container.remaining:
        raise InvalidInput(
            f"{container.label} holds {container.remaining} {lot.unit}.", cure="Count again.", rule="G-MAT-06"
        )
    _refuse_what_a_print_needs(container, lot, quantity)
    taken = Consumption.objects.create(
        container=container,
        lot=lot,
        quantity=quantity,
        basis=ConsumptionBasis.WEIGHED,
        withdrawal=withdrawal,
    )
    _draw(container, lot, quantity, withdrawal, actor)
    fact = MaterialWithdrawn(
        lot_id=lot.pk,
        container_id=container.pk,
        quantity=str(quantity),
        unit=lot.unit,
        withdrawal=withdrawal,
    )
    publish(lot, fact, actor=actor, reason=reason)
    return taken


def _refuse_what_a_print_needs(container: Container, lot: MaterialLot, quantity: Decimal) -> None:
    """What a running print will use stays in the record of its container until the print is over (G-MAT-06)."""
    job = container.jobs.filter(state__in=RUNNING_JOBS).select_related("build").first()
    if job is None:
        return
    needed = in_unit(lot, job.build.material_ml or 0.0)
    if container.remaining - quantity < needed:
        raise Refused(
            f"{job.code} prints from {container.label} and needs {needed} {lot.unit} of it.",
            cure="Wait until it ends and its material is booked, then write off the rest.",
            rule="G-MAT-06",
        )


def _locked_pair(container_id: int) -> tuple[Container, MaterialLot]:
    container = locked(Container, container_id, what="container")
    return container, locked(MaterialLot, container.lot_id, what="lot")


def _draw(container: Container, lot: MaterialLot, quantity: Decimal, column: str, actor: Actor) -> None:
    changes: dict[str, object] = {"remaining": container.remaining - quantity}
    if container.remaining == quantity:
        changes["state"] = ContainerState.EMPTY
    write(container, **changes)
    drawn = ContainerDrawn(
        container_id=container.pk, quantity=str(quantity), remaining=str(container.remaining)
    )
    publish(container, drawn, actor=actor)
    write(lot, **{column: getattr(lot, column) + quantity, "remaining": lot.remaining - quantity})
    if lot.remaining == 0 and lot.state in (LotState.RELEASED, LotState.IN_USE):
        move(lot, LOT, "use_up")
