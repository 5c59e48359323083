"""Kits, their members, and what is compared and signed of them. Nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from devices.choices import DesignStatus, Side, Stage
from devices.models import Design, Device, Kit, KitMember
from mes.eventlog.base import digest_of
from mes.models import Delivery, DeliveryStatus
from mes.reading import once
from mes.tables import TABLES, covered_by

CHECKING = "devices.check_kit"
GONE = (Stage.SCRAPPED, Stage.CANCELLED)
"""Where a device comes to nothing: its kit waits until somebody decides what becomes of it without that member."""
CLOSED_TO_KITS = (*GONE, Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED)
"""Where a device can join no kit any more."""


WHOLE = (
    "order__patient",
    "master",
    "material",
    "current_design__segmentation__study",
    "current_design__plan",
)
"""What is asked of a member."""


def kits() -> QuerySet[Kit]:
    """Every kit, newest first."""
    return Kit.objects.select_related("patient", "created_by").order_by("-pk")


def kits_with_members() -> QuerySet[Kit]:
    """As `kits`, each with its present and former members at hand (`members`): for lists."""
    rows = KitMember.objects.select_related(*(f"device__{name}" for name in WHOLE)).order_by("device_id")
    return kits().prefetch_related(Prefetch("members", rows))


@once
def members_of(kit: Kit) -> list[Device]:
    """The devices that belong to a kit now, by number."""
    rows = Device.objects.select_related(*WHOLE)
    return list(rows.filter(memberships__kit=kit, memberships__standing=True).order_by("pk"))


def every_member_of(kit: Kit) -> list[Device]:
    """The devices that belong to a kit, or ever did, by number."""
    return list(Device.objects.select_related("order", "master").filter(memberships__kit=kit).order_by("pk"))


@once
def kit_of(device: Device) -> Kit | None:
    """The kit that a device belongs to now."""
    return kits().filter(members__device=device, members__standing=True).first()


def kits_of(device: Device) -> list[Kit]:
    """The kits that a device belongs to, or ever did, by number."""
    return list(kits().filter(members__device=device).order_by("pk"))


def others_in(kit: Kit, device: Device) -> list[Device]:
    return [one for one in members_of(kit) if one.pk != device.pk]


def free_devices(patient_id: int) -> QuerySet[Device]:
    """The devices of a patient that may join a kit."""
    found = Device.objects.filter(order__patient=patient_id).exclude(stage__in=CLOSED_TO_KITS)
    return found.exclude(memberships__standing=True).select_related("order", "master").order_by("pk")


def members_digest(kit: Kit) -> str:
    """The digest that stands on a kit over the rows of its members."""
    rows = kit.members.order_by("device_id").values_list("device_id", "standing")
    return digest_of([list(row) for row in rows])


@covered_by("devices.kit")
def kits_with_other_members() -> Iterator[str]:
    """Ids of the kits whose members are not those of their `members_digest`."""
    belonging: dict[int, list[list[object]]] = defaultdict(list)
    rows = KitMember.objects.order_by("kit_id", "device_id").values_list("kit_id", "device_id", "standing")
    for kit_id, device_id, standing in rows:
        belonging[kit_id].append([device_id, standing])
    for key, written in Kit.objects.order_by("pk").values_list("pk", "members_digest"):
        if digest_of(belonging[key]) != written:
            yield str(key)


def sides_of(devices: Sequence[Device]) -> dict[str, list[str]]:
    """The devices by the side that their orders name, those without one left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for device in devices:
        if device.order.side != Side.NONE:
            found[device.order.side].append(device.code)
    return dict(found)


def told_sides(sides: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{side}: {', '.join(codes)}" for side, codes in sides.items())


def approved_design(device: Device) -> Design | None:
    """The design that a device is made from, once it is approved."""
    design = device.current_design
    return design if design is not None and design.status == DesignStatus.APPROVED else None


def undesigned(devices: Sequence[Device]) -> list[str]:
    """The devices that have no approved design."""
    return [device.code for device in devices if approved_design(device) is None]


def basis_of(devices: Sequence[Device]) -> str:
    """The digest of everything that a check of these members compares; "" while one of them has no approved design."""
    designs = [(device, approved_design(device)) for device in devices]
    rows = [_basis(device, design) for device, design in designs if design is not None]
    return digest_of(rows) if rows and len(rows) == len(designs) else ""


def is_checked(kit: Kit, members: Sequence[Device]) -> bool:
    """Whether the newest check is of the members as they are now."""
    basis = basis_of(members)
    return bool(basis) and kit.checked.get("basis") == basis


def check_given_up(kit: Kit) -> bool:
    """Whether comparing its members failed so often that an operator decides about it."""
    stream = {"stream_type": TABLES[Kit._meta.db_table].root, "stream_id": str(kit.pk)}
    return Delivery.objects.filter(handler=CHECKING, status=DeliveryStatus.DEAD, **stream).exists()


def _basis(device: Device, design: Design) -> dict[str, Any]:
    bone = design.segmentation
    return {
        "device": device.code,
        "design": design.pk,
        "mesh": design.mesh_id,
        "plan": design.plan_id,
        "surface": bone.surface_id,
        "images": images_of(design),
    }


def kit_facts(kit: Kit, members: Sequence[Device]) -> dict[str, Any]:
    """What is signed of a kit with each of its members: all of them with their designs, what compared them, and one digest over that."""
    whole = {
        "kit": kit.code,
        "members": [
            {"device": one.code, "design": one.current_design.mesh_id if one.current_design else None}
            for one in members
        ],
        "compared": kit.checked.get("basis", ""),
    }
    return {**whole, "digest": digest_of(whole)}


def images_of(design: Design) -> str:
    """The digest of the images, or of the scan, that a design was made from."""
    study = design.segmentation.study
    return str(study.volume_id or study.surface_id)
