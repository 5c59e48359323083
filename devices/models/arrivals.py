"""Senders of images that are known, and studies that came in by themselves and wait for a person to say what they are for."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from devices.choices import ARRIVAL_PAIRS, PEER_PAIRS, ArrivalStage, Door, PeerStage
from devices.models.devices import Device
from devices.models.studies import Study
from mes.models import Person
from mes.tables import StageGuard, table


@table(
    "working",
    root="devices.dicom_peer",
    digest={1: ("title", "address", "description", "stage", "revoked_because")},
    stage=StageGuard("stage", ("active",), PEER_PAIRS),
)
class DicomPeer(models.Model):
    """A scanner, PACS or router that may send images: by its application entity title and from its address, both."""

    title = models.CharField(max_length=16, help_text="Its calling application entity title")
    address = models.GenericIPAddressField()
    description = models.CharField(max_length=80, help_text="What it is, and where")
    stage = models.CharField(max_length=8, choices=PeerStage, default=PeerStage.ACTIVE)
    revoked_because = models.TextField(blank=True)
    registered_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    registered_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "devices_dicom_peer"
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=PeerStage.values), name="dicom_peer_stage"),
            models.UniqueConstraint(
                fields=["title", "address"], condition=models.Q(stage="active"), name="dicom_peer_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} at {self.address}"


@table(
    "working",
    root="devices.arrival",
    digest={
        1: (
            "door",
            "peer_id",
            "sender_id",
            "study_key",
            "stage",
            "files",
            "size_bytes",
            "unreadable",
            "modalities",
            "device_id",
            "study_id",
            "discarded_because",
        )
    },
    stage=StageGuard("stage", ("waiting",), ARRIVAL_PAIRS),
)
class Arrival(models.Model):
    """A study that was sent to the house. Its files lie in quarantine, under `quarantine`, until a person attached it to a
    device and its images were accepted, or discarded it. Written by `devices.services.arrivals` alone.

    study_key: a keyed hash of its StudyInstanceUID, "" where its objects name none.  study: the last reading of it.
    """

    door = models.CharField(max_length=8, choices=Door)
    peer = models.ForeignKey(DicomPeer, on_delete=models.PROTECT, null=True, related_name="arrivals")
    sender = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    stage = models.CharField(max_length=10, choices=ArrivalStage, default=ArrivalStage.WAITING)
    quarantine = models.UUIDField(unique=True, help_text="Name of its folder in quarantine")
    study_key = models.CharField(max_length=64, blank=True)
    files = models.IntegerField()
    size_bytes = models.BigIntegerField()
    unreadable = models.IntegerField(help_text="How many of them have no header that can be read")
    modalities = models.JSONField(default=list)
    arrived_at = models.DateTimeField(db_default=Now())
    device = models.ForeignKey(Device, on_delete=models.PROTECT, null=True, related_name="arrivals")
    study = models.OneToOneField(Study, on_delete=models.PROTECT, null=True, related_name="arrival")
    discarded_because = models.TextField(blank=True)

    class Meta:
        db_table = "devices_arrival"
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(stage__in=ArrivalStage.values), name="arrival_stage"),
            models.CheckConstraint(condition=models.Q(door__in=Door.values), name="arrival_door"),
            models.CheckConstraint(
                condition=models.Q(peer__isnull=True) ^ models.Q(sender__isnull=True),
                name="arrival_sent_by_one",
            ),
            models.CheckConstraint(
                condition=~models.Q(stage__in=("attached", "taken")) | models.Q(study__isnull=False),
                name="arrival_attached_to_study",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        return f"A{self.pk:07d}"
