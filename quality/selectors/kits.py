"""Kits on their way out: which wait for their release, which for a decision, and what stands against their members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import CharField, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from devices.choices import KitStage, Stage
from devices.models import Device, Kit, KitMember
from devices.selectors.kits import GONE, kits
from mes.models import EventRecord
from mes.standing import carries
from mes.tables import TABLES
from quality.models import RecordReview, ReleaseDecision
from quality.selectors.making import open_nonconformances
from quality.selectors.waiting import devices_at


def _members() -> QuerySet[KitMember]:
    return KitMember.objects.filter(kit=OuterRef("pk"), standing=True)


def kits_to_release() -> QuerySet[Kit]:
    """Open kits of which every device is reviewed and none is held."""
    waiting = _members().exclude(device__stage=Stage.REVIEWED, device__held=False)
    return kits().filter(~Exists(waiting), stage=KitStage.OPEN)


def kits_to_ship() -> QuerySet[Kit]:
    """Released kits whose devices are all in the house, none of them held."""
    waiting = _members().exclude(device__stage=Stage.RELEASED, device__held=False)
    return kits().filter(~Exists(waiting), stage=KitStage.RELEASED)


def kits_to_settle() -> QuerySet[Kit]:
    """Open kits of which a device came to nothing, or whose devices were found not to fit each other."""
    gone = _members().filter(device__stage__in=GONE)
    unfit = kits().filter(checked__answers__contains=[{"outcome": "block"}])
    return (kits().filter(Exists(gone)) | unfit).filter(stage=KitStage.OPEN)


def devices_to_review_again() -> QuerySet[Device]:
    """Devices of open kits whose record was reviewed before something happened to the kit: nothing of it is released until it is
    read again (G-REL-01)."""
    mine = KitMember.objects.filter(device=OuterRef("pk"), standing=True, kit__stage=KitStage.OPEN)
    reviews = RecordReview.objects.filter(device=OuterRef("pk")).order_by("-pk")
    later = EventRecord.objects.filter(
        stream_type=TABLES[Kit._meta.db_table].root,
        stream_id=OuterRef("its_kit"),
        pos__gt=OuterRef("reviewed_up_to"),
    )
    return (
        devices_at(Stage.REVIEWED)
        .annotate(
            its_kit=Subquery(mine.annotate(key=Cast("kit_id", CharField())).values("key")[:1]),
            reviewed_up_to=Subquery(reviews.values("last_pos")[:1]),
        )
        .filter(Exists(later))
    )


def against_members(members: Iterable[Device]) -> Iterator[tuple[Device, str]]:
    """What stands against the devices of a kit, and with them against each other: holds, nonconformances, releases that were taken back."""
    for device in members:
        if device.held:
            yield device, f"is on hold: {device.hold_reason}"
        for found in open_nonconformances(device):
            yield device, f"has an open nonconformance, {found.code}"
        decision: ReleaseDecision | None = getattr(device, "release_decision", None)
        if decision is not None and not carries(decision, "signature"):
            yield device, "is released no longer: the signature was withdrawn"
        if device.stage in GONE:
            yield device, f"is {Stage(device.stage).label.lower()}"
