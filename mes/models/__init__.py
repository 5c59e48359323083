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
from mes.models.retention import Disposal, LegalHold, RetentionClock, RetentionPeriod
from mes.models.rulesets import RuleSet
from mes.models.safekeeping import Backup, IntegrityCheck, RestoreDrill
from mes.models.signatures import Signature

__all__ = [
    "AccessToken",
    "Account",
    "Artefact",
    "Backup",
    "Delivery",
    "DeliveryStatus",
    "Disposal",
    "Epoch",
    "EventRecord",
    "Inbox",
    "IntegrityCheck",
    "Lane",
    "Leaf",
    "LegalHold",
    "Patient",
    "PatientIdentity",
    "Person",
    "RestoreDrill",
    "RetentionClock",
    "RetentionPeriod",
    "RoleGrant",
    "RuleSet",
    "Schedule",
    "Seal",
    "Signature",
    "Slot",
    "Stream",
]
