"""Data and constraints of the kernel, one file per concept."""

from mes.models.artefacts import Artefact
from mes.models.credentials import (
    BrowserSession,
    Contact,
    FederatedIdentity,
    FormerPassword,
    FreshProof,
    Passkey,
    Reset,
    SessionActivity,
    SignInSource,
)
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
    SealTurn,
    Slot,
    Stream,
)
from mes.models.history import AuditReview, FieldChange, HistoryRebase, Operation
from mes.models.patients import Patient, PatientIdentity, VaultRotation
from mes.models.people import AccessToken, Account, Person, RoleGrant
from mes.models.privacy import EmergencyAccess, ErasureRequest, IdentityView, ReportingLine
from mes.models.retention import Disposal, LegalHold, RetentionClock, RetentionPeriod
from mes.models.rights import CredentialReview, Reproofing, SigningRight
from mes.models.rulesets import RuleSet
from mes.models.safekeeping import Backup, IntegrityCheck, RestoreDrill
from mes.models.signatures import Signature, SignatureWithdrawal, SigningFailure, SigningSeries
from mes.models.signing import (
    CertificationLetter,
    HandwrittenSignature,
    SigningEnrolment,
    StatementAcceptance,
)
from mes.models.stations import Station, StationRule
from mes.models.training import ControlledDocument, Curriculum, DocumentRevision, TrainingRecord

__all__ = [
    "AccessToken",
    "Account",
    "Artefact",
    "AuditReview",
    "Backup",
    "BrowserSession",
    "CertificationLetter",
    "Contact",
    "ControlledDocument",
    "CredentialReview",
    "Curriculum",
    "Delivery",
    "DeliveryStatus",
    "Disposal",
    "DocumentRevision",
    "EmergencyAccess",
    "Epoch",
    "ErasureRequest",
    "EventRecord",
    "FederatedIdentity",
    "FieldChange",
    "FormerPassword",
    "FreshProof",
    "HandwrittenSignature",
    "HistoryRebase",
    "IdentityView",
    "Inbox",
    "IntegrityCheck",
    "Lane",
    "Leaf",
    "LegalHold",
    "Operation",
    "Passkey",
    "Patient",
    "PatientIdentity",
    "Person",
    "ReportingLine",
    "Reproofing",
    "Reset",
    "RestoreDrill",
    "RetentionClock",
    "RetentionPeriod",
    "RoleGrant",
    "RuleSet",
    "Schedule",
    "Seal",
    "SealTurn",
    "SessionActivity",
    "SignInSource",
    "Signature",
    "SignatureWithdrawal",
    "SigningEnrolment",
    "SigningFailure",
    "SigningRight",
    "SigningSeries",
    "Slot",
    "StatementAcceptance",
    "Station",
    "StationRule",
    "Stream",
    "TrainingRecord",
    "VaultRotation",
]
