"""Assigning people to an order: what lets a clinical reviewer, or somebody of another company, know it."""

from __future__ import annotations

from devices.events import AssignmentEnded, PersonAssigned
from devices.models import Assignment
from devices.services.orders import locked_order
from mes.choices import Role
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import Conflict, InvalidInput
from mes.models import Person
from mes.permissions import ADMINISTRATION, require
from mes.selectors import roles_of


@unit_of_work
def assign_person(*, order_id: int, person_id: int, role: Role, actor: Actor, reason: str = "") -> Assignment:
    """Let a person know an order and work on it in one of their roles. Safe to repeat."""
    order = locked_order(order_id)
    require(actor, "devices.assign_person", order)
    person = Person.objects.filter(pk=person_id, active=True).first()
    if person is None or role in ADMINISTRATION or role not in roles_of(person):
        raise InvalidInput(
            f"This person does not hold the role {role.label}.",
            cure="Choose somebody who holds it, or have it granted first.",
            rule="G-OPR-02",
        )
    found = Assignment.objects.filter(order=order, person=person, role=role, ended=False).first()
    if found:
        return found
    row = Assignment.objects.create(order=order, person=person, role=role, assigned_by_id=actor.person_id)
    event = PersonAssigned(order_id=order.pk, person_id=person.pk, role=role.value)
    publish(row, event, actor=actor, reason=reason)
    publish(order, event, actor=actor, reason=reason)
    return row


@unit_of_work
def end_assignment(*, assignment_id: int, actor: Actor, reason: str) -> Assignment:
    """The person no longer knows the order by this."""
    found = by_key(Assignment, assignment_id)
    if found is None:
        raise InvalidInput("There is no such assignment.", cure="Look at the order again.")
    order = locked_order(found.order_id)
    require(actor, "devices.assign_person", order)
    row = Assignment.objects.select_for_update().get(pk=assignment_id)
    if not reason.strip():
        raise InvalidInput("Say why.", cure="Write the reason.", rule="P11-10e")
    if row.ended:
        raise Conflict("This assignment has ended.", cure="Look at the order again.")
    row.ended = True
    row.save(update_fields=["ended"])
    event = AssignmentEnded(order_id=order.pk, person_id=row.person_id, role=row.role)
    publish(row, event, actor=actor, reason=reason.strip())
    publish(order, event, actor=actor, reason=reason.strip())
    return row
