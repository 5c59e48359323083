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
from mes.models.patients import Patient, PatientIdentity, VaultRotation
from mes.models.people import AccessToken, Account, Person, RoleGrant
from mes.models.privacy import EmergencyAccess, ErasureRequest, IdentityView, ReportingLine
from mes.models.signatures import Signature

__all__ = [
    "AccessToken",
    "Account",
    "Artefact",
    "Delivery",
    "DeliveryStatus",
    "EmergencyAccess",
    "Epoch",
    "ErasureRequest",
    "EventRecord",
    "IdentityView",
    "Inbox",
    "Lane",
    "Leaf",
    "Patient",
    "PatientIdentity",
    "Person",
    "ReportingLine",
    "RoleGrant",
    "Schedule",
    "Seal",
    "Signature",
    "Slot",
    "Stream",
    "VaultRotation",
]
