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
from mes.models.rulesets import RuleSet
from mes.models.signatures import Signature, SignatureWithdrawal, SigningFailure, SigningSeries
from mes.models.signing import (
    CertificationLetter,
    HandwrittenSignature,
    SigningEnrolment,
    StatementAcceptance,
)

__all__ = [
    "AccessToken",
    "Account",
    "Artefact",
    "CertificationLetter",
    "Delivery",
    "DeliveryStatus",
    "Epoch",
    "EventRecord",
    "HandwrittenSignature",
    "Inbox",
    "Lane",
    "Leaf",
    "Patient",
    "PatientIdentity",
    "Person",
    "RoleGrant",
    "RuleSet",
    "Schedule",
    "Seal",
    "Signature",
    "SignatureWithdrawal",
    "SigningEnrolment",
    "SigningFailure",
    "SigningSeries",
    "Slot",
    "StatementAcceptance",
    "Stream",
]
