"""Enrolling signers: proof of identity by two people, the statement of accountability, the letter to the FDA (ES-13)."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import Any

from django.utils import timezone

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import (
    CertificationLetterRecorded,
    EnrolmentClosed,
    IdentityConfirmed,
    IdentityProofed,
    StatementAccepted,
)
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.models import Account, CertificationLetter, Person, SigningEnrolment, StatementAcceptance
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.services.signing_policy import STATEMENT, STATEMENT_VERSION

PART_11 = date(1997, 8, 20)
"""From that day on 21 CFR 11 applies (62 FR 13430)."""
DIGEST = re.compile(r"[0-9a-f]{64}")


@unit_of_work
def prove_identity(*, account_id: int, document: str, method: str, actor: Actor) -> SigningEnrolment:
    """Record that a document was seen (its kind, never its number) and that this account is that person's."""
    require(actor, "mes.enrol_signers")
    account = Account.objects.select_related("person").filter(pk=account_id).first()
    if account is None or account.person is None or account.is_service:
        raise InvalidInput("Only a person's account is enrolled.", cure="Choose another.", rule="ES-12")
    if not document.strip() or not method.strip():
        raise InvalidInput("Name the kind of document and how it was seen.", rule="ES-13")
    _refuse_own(actor, account.person.pk)
    _refuse_second(account)
    enrolment = SigningEnrolment.objects.create(
        account=account,
        person=account.person,
        document=document.strip()[:80],
        method=method.strip()[:80],
        proved_by=str(actor),
        proved_at=timezone.now(),
    )
    told = IdentityProofed(account_id=account.pk, document=enrolment.document, method=enrolment.method)
    publish(enrolment, told, actor=actor)
    return enrolment


def _refuse_own(actor: Actor, person_id: int) -> None:
    if actor.person_id == person_id:
        raise NotPermitted(
            "Nobody proofs their own identity.", cure="Ask another administrator.", rule="ES-13"
        )


def _refuse_second(account: Account) -> None:
    """One signing account for each person, and each account enrolled once (11.100(a))."""
    if SigningEnrolment.objects.filter(account=account).exists():
        raise Conflict("This account was enrolled already.", cure="Look at the list again.")
    if SigningEnrolment.objects.filter(person=account.person, closed=False).exists():
        raise Conflict(
            "This person signs with another account.", cure="Close that one first.", rule="P11-100a"
        )


@unit_of_work
def confirm_identity(*, enrolment_id: int, actor: Actor) -> SigningEnrolment:
    """The second pair of eyes. A rule of the installation may be both, as on the machine's own console."""
    require(actor, "mes.enrol_signers")
    enrolment = _locked(enrolment_id)
    if enrolment.confirmed_at is not None:
        raise Conflict("This was confirmed already.", cure="Look at the list again.")
    _refuse_own(actor, enrolment.person_id)
    if actor.person_id is not None and enrolment.proved_by == str(actor):
        raise NotPermitted(
            "Who saw the document does not confirm it too.", cure="Ask another administrator.", rule="ES-13"
        )
    enrolment.confirmed_by, enrolment.confirmed_at = str(actor), timezone.now()
    enrolment.save(update_fields=["confirmed_by", "confirmed_at"])
    publish(enrolment, IdentityConfirmed(account_id=enrolment.account_id), actor=actor)
    return enrolment


@unit_of_work
def close_enrolment(*, enrolment_id: int, actor: Actor, reason: str) -> None:
    """This account signs no longer, so that another one of the same person can be enrolled."""
    require(actor, "mes.enrol_signers")
    enrolment = _locked(enrolment_id)
    if not reason.strip():
        raise InvalidInput("Say why this account signs no longer.", rule="P11-10e")
    enrolment.closed = True
    enrolment.save(update_fields=["closed"])
    publish(enrolment, EnrolmentClosed(account_id=enrolment.account_id), actor=actor, reason=reason)


def _locked(enrolment_id: int) -> SigningEnrolment:
    found = SigningEnrolment.objects.select_for_update().filter(pk=enrolment_id, closed=False).first()
    if found is None:
        raise InvalidInput("There is no such enrolment.", cure="Look at the list again.")
    return found


def statement_content(enrolment: SigningEnrolment) -> dict[str, Any]:
    """What the acceptance signs: the text itself, its version, and whose."""
    return {
        "record": "statement of accountability",
        "person": enrolment.person_id,
        "account": enrolment.account_id,
        "version": STATEMENT_VERSION,
        "text": STATEMENT,
    }


@unit_of_work
def accept_statement(*, actor: Actor, credentials: Credentials) -> StatementAcceptance:
    """Accept the statement in force by signing it, with both components (11.10(j))."""
    person = Person.objects.select_for_update().filter(pk=actor.person_id or 0).first()
    enrolment = (
        SigningEnrolment.objects.filter(person=person, closed=False, confirmed_at__isnull=False).first()
        if person
        else None
    )
    if enrolment is None:
        raise NotPermitted(
            "The identity behind this account was not proofed by two people.",
            cure="Show a document to the security administrator.",
            rule="ES-13",
        )
    signature = sign(
        subject=enrolment,
        content=statement_content(enrolment),
        meaning=Meaning.ACCEPTED,
        actor=actor,
        credentials=credentials,
    )
    acceptance = StatementAcceptance.objects.create(
        enrolment=enrolment,
        version=STATEMENT_VERSION,
        text_digest=hashlib.sha256(STATEMENT.encode()).hexdigest(),
        signature=signature,
        accepted_at=signature.signed_at,
    )
    told = StatementAccepted(
        account_id=enrolment.account_id, version=STATEMENT_VERSION, signature_id=signature.pk
    )
    publish(enrolment, told, actor=actor)
    return acceptance


@unit_of_work
def record_certification_letter(
    *, sha256: str, sent_on: date, signatory: str, actor: Actor
) -> CertificationLetter:
    """The letter of 11.100(c): the digest of its scan, the day it was sent, who signed it."""
    require(actor, "mes.record_certification_letter")
    if not DIGEST.fullmatch(sha256) or not signatory.strip():
        raise InvalidInput(
            "The letter needs the SHA-256 of its scan and the name of who signed it.", rule="P11-100c"
        )
    if not PART_11 <= sent_on <= timezone.localdate():
        raise InvalidInput(
            f"The letter was sent between {PART_11:%d %b %Y}, when it was first asked for, and today.",
            cure="Read the date on the letter again.",
            rule="P11-100c",
        )
    letter = CertificationLetter.objects.create(
        sha256=sha256, sent_on=sent_on, signatory=signatory.strip()[:200], recorded_by=str(actor)
    )
    told = CertificationLetterRecorded(sha256=sha256, sent_on=sent_on.isoformat())
    publish(letter, told, actor=actor)
    return letter
