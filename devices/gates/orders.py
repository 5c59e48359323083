"""What must be true before an order is accepted and its design frozen, and a material used (G-ORD, G-MAT-07)."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from devices.catalog.base import covers
from devices.choices import DefinitionStatus
from devices.models import Device, DeviceMaster, Material, Order
from devices.services.orders import need_by_fault, prescription_content, standing_approvals
from mes.choices import Role
from mes.lifecycle import Verdict, blocked, gate, passed
from mes.selectors import people_with
from mes.standing import carries, stands, stands_for

FREEZE = "device.freeze_design"


@gate("G-ORD-01", "order.accept")
def prescription_signed(order: Order, **_: Any) -> Verdict:
    """The prescription is signed, and the prescriber may prescribe."""
    signature = order.prescription
    if signature is None or not stands_for(signature, prescription_content(order)):
        return blocked(
            "No prescriber's signature stands for this order as it is.", cure="The prescriber signs it."
        )
    if not people_with(Role.PRE).filter(pk=signature.person_id).exists():
        return blocked(
            "Who signed the prescription may no longer prescribe.",
            cure="Another prescriber takes over with a new order.",
            signature=signature.pk,
        )
    return passed(signature=signature.pk)


@gate("G-ORD-01", FREEZE)
def prescription_stands(device: Device, **_: Any) -> Verdict:
    """The prescription that the design answers to was not withdrawn."""
    signature = device.order.prescription
    if signature is None or not stands(signature):
        return blocked("No prescription stands for the order.", cure="A prescriber signs a new order.")
    return passed(signature=signature.pk, prescriber=signature.person_id)


@gate("G-ORD-02", "order.submit", "order.accept")
def characteristic_given(order: Order, **_: Any) -> Verdict:
    """At least one design characteristic is specific to the patient."""
    named = [row.get("attribute") for row in order.characteristics if row.get("author")]
    if not named:
        return blocked(
            "No design characteristic beyond the images is stated.",
            cure="Write a new order with an attribute, its value and its unit.",
        )
    return passed(characteristics=named)


@gate("G-ORD-03", "order.accept")
def pathway_signed(order: Order, **_: Any) -> Verdict:
    """The regulatory pathway is decided and signed by regulatory affairs."""
    signature = standing_approvals(order).get(Role.RA)
    if not order.master.pathway.strip():
        return blocked("The master states no regulatory pathway.", cure="Have the master revised.")
    if signature is None:
        return blocked("Regulatory affairs has not signed the pathway.", cure="Regulatory affairs approves.")
    return passed(pathway=order.master.pathway, signature=signature.pk)


@gate("G-ORD-04", "order.submit", "order.accept")
def need_by_feasible(order: Order, **_: Any) -> Verdict:
    """The need-by date lies ahead."""
    if fault := need_by_fault(order.need_by):
        return blocked(fault, cure="Write a new order with another date.", need_by=str(order.need_by))
    return passed(need_by=str(order.need_by), today=str(timezone.localdate()))


@gate("G-SIG-01", "order.submit", "order.accept", FREEZE)
def definitions_stand(subject: Order | Device, **_: Any) -> Verdict:
    """The approvals of the device master and of the material stand."""
    master, material = subject.master, subject.material
    rows: dict[str, DeviceMaster | Material] = {str(master): master, material.code: material}
    gone = [name for name, row in rows.items() if not carries(row, "approval")]
    if gone:
        return blocked(
            f"No approval stands for {' and '.join(gone)}.",
            cure="Have it approved again, or write a new order for one that is approved.",
            gone=gone,
        )
    return passed(signatures={name: row.approval_id for name, row in rows.items()})


@gate("G-MAT-07", "order.accept", FREEZE)
def material_qualified(subject: Order | Device, **_: Any) -> Verdict:
    """The material is specified for the master's process and contact."""
    master, material = subject.master, subject.material
    evidence = {
        "material": material.code,
        "process": material.process,
        "qualified_for": material.contact_category,
        "needed": master.contact_category,
    }
    if material.status != DefinitionStatus.EFFECTIVE:
        return blocked(f"{material.code} is not approved.", cure="Have it approved.", **evidence)
    if material.code not in master.materials or material.process != master.process:
        return blocked(
            f"{master} is not made of {material.code} by {material.process}.",
            cure="Order one of the master's materials.",
            **evidence,
        )
    if not covers(material.contact_category, master.contact_category):
        return blocked(
            f"{material.code} is not qualified for the contact '{master.contact_category}'.",
            cure="Order a material that is, or have it qualified.",
            **evidence,
        )
    return passed(**evidence)
