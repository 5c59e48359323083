"""What waits for a review or a second person: privacy, keeping, documents, accounts; and for the manager of somebody.

Here and not beside the pages, so that every list is known once the apps are ready (`mes.apps.DISCOVERED`).
"""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from mes.choices import DisposalStage, DocumentStage, ErasureStage, HoldStage, ResetState, RightState, Role
from mes.models import (
    Account,
    Disposal,
    DocumentRevision,
    EmergencyAccess,
    ErasureRequest,
    FederatedIdentity,
    LegalHold,
    RestoreDrill,
    SigningRight,
)
from mes.panels import PERSONAL, Task, worklist
from mes.selectors import reviews_due
from mes.services.emergency import emergencies_of_manager, emergencies_to_review

SHOWN = 100


def emergency_link(access: EmergencyAccess) -> tuple[str, str]:
    return access.code, reverse("emergency", args=[access.code])


def erasure_link(request: ErasureRequest) -> tuple[str, str]:
    return request.code, reverse("erasure", args=[request.code])


@worklist("mes.review_emergency", "Review an access in an emergency", Role.PRV, shown=emergency_link)
def for_review() -> QuerySet[EmergencyAccess]:
    return emergencies_to_review()


@worklist("mes.decide_erasure_officer", "Decide about an erasure", Role.PRV, shown=erasure_link)
def for_privacy_officer() -> QuerySet[ErasureRequest]:
    return ErasureRequest.objects.filter(stage=ErasureStage.REQUESTED, officer_approval__isnull=True)


@worklist("mes.decide_erasure_quality", "Decide about an erasure", Role.QAR, shown=erasure_link)
def for_quality() -> QuerySet[ErasureRequest]:
    return ErasureRequest.objects.filter(stage=ErasureStage.REQUESTED, quality_approval__isnull=True)


def _hold_link(hold: LegalHold) -> tuple[str, str]:
    return hold.code, reverse("hold", args=[hold.code])


def _disposal_link(disposal: Disposal) -> tuple[str, str]:
    return disposal.code, reverse("disposal", args=[disposal.code])


def _drill_link(drill: RestoreDrill) -> tuple[str, str]:
    return drill.backup, f"{reverse('safekeeping')}#drills"


@worklist("mes.review_hold", "Look at a legal hold again", Role.REC, need_by="review_on", shown=_hold_link)
def holds_to_review() -> QuerySet[LegalHold]:
    """Holds whose day of review has come (K-15)."""
    return LegalHold.objects.filter(stage=HoldStage.ACTIVE, review_on__lte=timezone.localdate())


@worklist("mes.decide_hold", "Decide about the end of a legal hold", Role.QAR, shown=_hold_link)
def holds_to_end() -> QuerySet[LegalHold]:
    return LegalHold.objects.filter(stage=HoldStage.RELEASE_PROPOSED)


@worklist("mes.decide_disposal", "Decide about a disposal", Role.QAR, shown=_disposal_link)
def disposals_to_decide() -> QuerySet[Disposal]:
    return Disposal.objects.filter(stage=DisposalStage.PROPOSED)


@worklist("mes.confirm_drill", "Confirm a restore drill", Role.SYS, Role.REC, Role.QAR, shown=_drill_link)
def drills_to_confirm() -> QuerySet[RestoreDrill]:
    return RestoreDrill.objects.filter(Q(confirmation=None) | Q(confirmation__withdrawal__isnull=False))


def _document_link(revision: DocumentRevision) -> tuple[str, str]:
    return revision.document.number, reverse("document", args=[revision.document.number])


@worklist("mes.approve_document", "Approve a document", Role.QAR, Role.QAX, shown=_document_link)
def documents_to_approve() -> QuerySet[DocumentRevision]:
    return DocumentRevision.objects.filter(stage=DocumentStage.DRAFT).select_related("document")


def _account_link(account: Account) -> tuple[str, str]:
    return account.username, reverse("security-account", args=[account.pk])


@worklist(
    "mes.review_credentials", "Review credentials", Role.SEC, Role.QAR, shown=_account_link, own_company=True
)
def reviews_waiting() -> QuerySet[Account]:
    """Accounts whose credentials are due for review within two weeks, or overdue (P11-300b)."""
    return reviews_due()


@worklist(
    "mes.decide_reset",
    "Decide about a reset",
    Role.SEC,
    Role.QAR,
    Role.SYS,
    shown=_account_link,
    own_company=True,
)
def resets_waiting() -> QuerySet[Account]:
    """Accounts whose reset waits for a second person, or for both (ES-14)."""
    return Account.objects.filter(resets__state=ResetState.REQUESTED)


def bindings_waiting() -> QuerySet[FederatedIdentity]:
    return FederatedIdentity.objects.filter(confirmed_at=None, closed=False)


@worklist(
    "mes.confirm_binding",
    "Decide about a binding",
    Role.SEC,
    Role.QAR,
    Role.SYS,
    shown=_account_link,
    own_company=True,
)
def accounts_to_bind() -> QuerySet[Account]:
    """Accounts whose binding to an identity provider waits for a second person (ES-14)."""
    return Account.objects.filter(identities__in=bindings_waiting()).distinct()


@worklist(
    "mes.restore_signing_right",
    "Look into a suspended right to sign",
    Role.SEC,
    shown=_account_link,
    own_company=True,
)
def rights_waiting() -> QuerySet[Account]:
    """Accounts of people whose right to sign misuse or a compromise suspended (ES-15)."""
    suspended = SigningRight.objects.filter(state=RightState.SUSPENDED).exclude(cause="reset")
    return Account.objects.filter(is_active=True, person__signing_right__in=suspended)


@PERSONAL.register("mes.review_as_manager")
def of_manager(person_id: int) -> list[Task]:
    rows = emergencies_of_manager(person_id).order_by("pk")[:SHOWN]
    title = "Review an access in an emergency of somebody you answer for"
    return [Task(title, *emergency_link(row), frozenset()) for row in rows]
