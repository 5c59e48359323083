"""Data and constraints of the kernel, one file per concept."""

from mes.models.artefacts import Artefact
from mes.models.eventlog import (
    Delivery,
    DeliveryStatus,
    Epoch,
    EventRecord,
    Inbox,
    Lane,
    Leaf,
    Schedule,
    Seal,
    Slot,
    Stream,
)
from mes.models.patients import Patient, PatientIdentity
from mes.models.people import AccessToken, Account, Person, RoleGrant
from mes.models.signatures import Signature
from mes.models.training import ControlledDocument, Curriculum, DocumentRevision, TrainingRecord

__all__ = [
    "AccessToken",
    "Account",
    "Artefact",
    "ControlledDocument",
    "Curriculum",
    "Delivery",
    "DeliveryStatus",
    "DocumentRevision",
    "Epoch",
    "EventRecord",
    "Inbox",
    "Lane",
    "Leaf",
    "Patient",
    "PatientIdentity",
    "Person",
    "RoleGrant",
    "Schedule",
    "Seal",
    "Signature",
    "Slot",
    "Stream",
    "TrainingRecord",
]
