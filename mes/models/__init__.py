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
from mes.models.history import AuditReview, FieldChange, Operation
from mes.models.patients import Patient, PatientIdentity
from mes.models.people import AccessToken, Account, Person, RoleGrant
from mes.models.signatures import Signature

__all__ = [
    "AccessToken",
    "Account",
    "Artefact",
    "AuditReview",
    "Delivery",
    "DeliveryStatus",
    "Epoch",
    "EventRecord",
    "FieldChange",
    "Inbox",
    "Lane",
    "Leaf",
    "Operation",
    "Patient",
    "PatientIdentity",
    "Person",
    "RoleGrant",
    "Schedule",
    "Seal",
    "Signature",
    "Slot",
    "Stream",
]
