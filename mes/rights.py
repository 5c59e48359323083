"""The actions of the kernel itself: who may do each, who may know what it acts on, and who may not do both halves of it.

`mes.permissions` decides by these; the packages above declare theirs in their `permissions` modules.
"""

from __future__ import annotations

from mes.choices import HoldScope, Role
from mes.models import (
    Account,
    AuditReview,
    ControlledDocument,
    Curriculum,
    Disposal,
    DocumentRevision,
    EmergencyAccess,
    ErasureRequest,
    HandwrittenSignature,
    IdentityView,
    LegalHold,
    Patient,
    Person,
    ReportingLine,
    RestoreDrill,
    RoleGrant,
    Station,
    StationRule,
    TrainingRecord,
    VaultRotation,
)
from mes.permissions import PRODUCTION, allow
from mes.scope import Streams, belongs_to_everybody, belongs_to_patient, tells_of
from mes.segregation import Parts, segregated

# What somebody of another company works by; of people, what is said of themselves.
belongs_to_everybody(ControlledDocument, DocumentRevision, Curriculum, outsiders=True)
belongs_to_everybody(Person, own="pk")
belongs_to_everybody(Account, RoleGrant, ReportingLine, TrainingRecord, own="person")
belongs_to_everybody(AuditReview, own="reviewer")
belongs_to_everybody(RestoreDrill, Station, StationRule, VaultRotation)
# Their pages ask for a right, or for a part in them; a code says nothing of a patient.
belongs_to_everybody(LegalHold, Disposal, EmergencyAccess, ErasureRequest, names_orders=True)
belongs_to_patient(Patient, "pk")
for _model in (EmergencyAccess, ErasureRequest, IdentityView):
    belongs_to_patient(_model, "patient")
tells_of(HandwrittenSignature, lambda row: [(row.subject_type, row.subject_id)])
tells_of(Disposal, lambda row: [(row.record_root, row.record_id)])


def _streams_of(hold: LegalHold) -> Streams:
    if hold.scope == HoldScope.ORDER:
        return [("devices.order", hold.value)]
    if hold.scope == HoldScope.PATIENT:
        return [("mes.patient", str(one.pk)) for one in Patient.objects.filter(token=hold.value)]
    return []


tells_of(LegalHold, _streams_of)

R = Role
allow(
    "mes.manage_people",
    "manage people, accounts and roles",
    R.SEC,
    system=True,
    own_company=True,
    secret=True,
)
allow("mes.propose_role", "propose a role", R.SEC, signed=True, own_company=True)
allow("mes.approve_role", "approve a role", R.SEC, R.QAR, signed=True, own_company=True)
allow("mes.review_role", "review who holds which role", R.SEC, R.QAR, signed=True, own_company=True)
allow("mes.read_people", "read who holds which role", R.SEC, R.QAR, R.AUD, R.RA, own_company=True)
allow("mes.read_training", "read who is trained for what", R.SEC, *PRODUCTION, R.AUD)
allow("mes.draft_document", "draft a controlled document", R.QAR, R.QCM, R.DSN)
allow("mes.approve_document", "approve a controlled document", R.QAR, R.QAX, signed=True)
allow("mes.withdraw_document", "withdraw a controlled document", R.QAR, R.QAX, signed=True)
allow("mes.set_curriculum", "decide which training an action needs", R.QAR)
allow("mes.record_training", "record a training", R.QAR, R.QCM, signed=True)
allow("mes.issue_token", "make keys for programs", R.SEC, system=True, own_company=True, secret=True)
allow("mes.register_station", "register and revoke stations", R.SEC, R.SYS, own_company=True, secret=True)
allow("mes.set_station_rule", "decide what takes a registered station", R.QAR)
allow("mes.read_stations", "see the stations", R.SEC, R.SYS, *PRODUCTION, R.AUD)
allow("mes.register_patient", "register a patient", R.ORD, R.PRE, own_company=True)
allow("mes.view_identity", "see who a patient is", R.ORD, R.PRE, R.CLR, R.PRV)
allow("mes.find_patient", "find a patient by an identifier", R.ORD, R.PRE, R.CLR, R.PRV)
allow("mes.break_glass", "see who a patient is in an emergency", *PRODUCTION - {Role.REC}, own_company=True)
allow("mes.end_emergency", "end an access in an emergency", *Role)
allow("mes.review_emergency", "review an access in an emergency", R.PRV, signed=True)
allow(
    "mes.review_as_manager",
    "review an access in an emergency of somebody they answer for",
    *Role,
    signed=True,
)
allow("mes.read_views", "see who looked at a patient's identity", R.PRV, R.AUD)
allow("mes.read_privacy", "see what waits for a decision on privacy", R.PRV, R.QAR, R.AUD, every_order=True)
allow("mes.name_manager", "say who answers for a person", R.SEC, R.PRV, own_company=True, secret=True)
allow("mes.request_erasure", "register a request for erasure", R.PRV, R.ORD, every_order=True)
allow("mes.decide_erasure", "decide about a request for erasure", R.PRV, R.QAR, signed=True, every_order=True)
allow("mes.operate_deliveries", "operate the event deliveries", R.SYS, own_company=True)
allow("mes.read_audit_trail", "read the audit trail", R.AUD, R.QAR, R.QAX, R.RA, R.SEC)
allow("mes.review_audit_trail", "review the audit trail", R.AUD, R.QAR, R.QAX, signed=True, every_order=True)
allow("mes.enrol_signers", "proof who signs", R.SEC, R.RA, system=True, own_company=True, secret=True)
allow("mes.record_certification_letter", "record the letter to the FDA", R.RA, system=True, own_company=True)
allow("mes.withdraw_signature", "withdraw a signature of somebody else", R.QAX, R.RA)
allow("mes.upload_handwritten", "upload what was signed by hand", R.ORD, R.QAR, R.RA, every_order=True)
allow("mes.verify_handwritten", "verify a scan as a true copy", R.ORD, R.QAR, R.RA, every_order=True)
allow(
    "mes.guard_accounts",
    "decide about accounts, resets and rights to sign",
    R.SEC,
    system=True,
    own_company=True,
    secret=True,
)
allow(
    "mes.confirm_identity",
    "confirm who a person is, or a reset",
    R.SEC,
    R.QAR,
    R.SYS,
    system=True,
    own_company=True,
    secret=True,
)
allow(
    "mes.review_credentials",
    "review accounts and rights to sign",
    R.SEC,
    R.QAR,
    system=True,
    own_company=True,
    secret=True,
)

allow("mes.read_retention", "see how long records are kept", R.REC, R.RA, R.QAR, R.QAX, R.AUD, R.PRV, every_order=True)  # fmt: skip
allow("mes.keep_clocks", "set how long a record is kept", Role.REC, system=True)
allow("mes.place_hold", "place a legal hold", Role.REC, Role.RA, Role.QAR, every_order=True)
allow("mes.propose_hold_release", "propose the end of a legal hold", Role.REC, every_order=True)
allow("mes.release_hold", "end a legal hold as the second person", Role.QAR, every_order=True)
allow("mes.propose_disposal", "propose the disposal of a record", Role.REC, every_order=True)
allow("mes.approve_disposal", "approve the disposal of a record as the second person", R.QAR, every_order=True)  # fmt: skip
allow("mes.stop_disposal", "stop a disposal", Role.REC, Role.QAR, every_order=True)
allow("mes.carry_out_disposal", "destroy what two people signed for", system=True)
allow(
    "mes.read_safekeeping",
    "see backups, drills and checks",
    Role.SYS,
    Role.REC,
    Role.QAR,
    Role.AUD,
    Role.SEC,
    own_company=True,
)
allow(
    "mes.confirm_drill",
    "confirm a restore drill",
    Role.SYS,
    Role.REC,
    Role.QAR,
    signed=True,
    own_company=True,
)
allow("mes.keep_safe", "record backups, drills and checks", system=True)


@segregated("mes.approve_role", cure="Somebody else gives the second approval.")
def role_is_approved_by_another(grant: RoleGrant) -> Parts:
    """Who proposed a role, and who is to hold it, do not approve it."""
    parts = {grant.person_id: "are to hold this role yourself"}
    if grant.granted_by_id is not None:
        parts.setdefault(grant.granted_by_id, "proposed this role")
    return parts


@segregated("mes.review_role", cure="Somebody else confirms it.")
def role_is_reviewed_by_another(grant: RoleGrant) -> Parts:
    """Nobody confirms their own role."""
    return {grant.person_id: "hold this role yourself"}


@segregated(
    "mes.review_emergency", "mes.review_as_manager", cure="The privacy officer or your manager reviews it."
)
def emergency_is_reviewed_by_another(access: EmergencyAccess) -> Parts:
    """Nobody reviews their own access in an emergency."""
    return {access.person_id: "took this access yourself"}


@segregated("mes.approve_document", cure="Somebody else approves it.")
def document_is_approved_by_another(revision: DocumentRevision) -> Parts:
    """Who wrote a revision does not approve it."""
    return {revision.author_id: "wrote this revision"}


@segregated("mes.record_training", cure="Another trainer trains you.")
def training_is_by_another(person: Person) -> Parts:
    """Nobody records their own training."""
    return {person.pk: "are the one who was trained"}
