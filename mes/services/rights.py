"""The right to sign after the enrolment: suspended, restored, re-enrolled after a reset, reviewed (ES-14 to ES-17)."""

from __future__ import annotations

from django.utils import timezone

from mes.choices import RightState
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import CredentialsReviewed, IdentityReproofed, ReproofingConfirmed, SigningRightRestored
from mes.exceptions import InvalidInput, NotPermitted, Refused
from mes.models import Account, CredentialReview, Person, Reproofing, SigningRight, StatementAcceptance
from mes.permissions import require
from mes.selectors import events_of, reproofing_of
from mes.services.credentials import suspend_right
from mes.services.signatures import Credentials
from mes.services.signing_enrolment import accept_statement

RESET = "reset"


@unit_of_work
def reproof_identity(*, person: Person, document: str, method: str, actor: Actor) -> Reproofing:
    """Look anew at who a signer is, after a reset or with a replacement of what was lost. A second person confirms."""
    require(actor, "mes.guard_accounts")
    _refuse_self(person, actor)
    if not document.strip() or not method.strip():
        raise InvalidInput(
            "Which document, and how was it seen?", cure="Passport, in person.", rule="P11-100b"
        )
    look = Reproofing.objects.create(
        person=person,
        document=document.strip()[:60],
        method=method.strip()[:60],
        verifier=str(actor),
        proofed_at=timezone.now(),
    )
    said = IdentityReproofed(person_id=person.pk, reproofing_id=look.pk)
    publish(look, said, actor=actor)
    return look


@unit_of_work
def confirm_reproofing(*, reproofing_id: int, actor: Actor) -> None:
    """The second pair of eyes: not who looked, and not the person."""
    require(actor, "mes.confirm_identity")
    look = Reproofing.objects.select_for_update().filter(pk=reproofing_id, confirmed_at=None).first()
    if look is None:
        raise Refused("This look does not wait any more.", cure="Look at the list again.", rule="P11-100b")
    _refuse_self(look.person, actor)
    if look.verifier == str(actor):
        raise NotPermitted(
            "Who looked at an identity does not confirm it too.", cure="Ask somebody else.", rule="ES-14"
        )
    look.confirmer, look.confirmed_at = str(actor), timezone.now()
    look.save(update_fields=["confirmer", "confirmed_at"])
    said = ReproofingConfirmed(person_id=look.person_id, reproofing_id=look.pk)
    publish(look, said, actor=actor)


def _refuse_self(person: Person, actor: Actor) -> None:
    if actor.person_id == person.pk:
        raise NotPermitted("Nobody does this for themselves.", cure="Ask somebody else.", rule="P11-200a3")


@unit_of_work
def re_enrol(*, actor: Actor, credentials: Credentials) -> StatementAcceptance:
    """After a reset the owner signs the statement of accountability with the new secret, once two people have looked at
    the identity anew: only then does the right to sign stand again (ES-14)."""
    right = SigningRight.objects.select_for_update().filter(person_id=actor.person_id or 0).first()
    if right is None or right.state != RightState.SUSPENDED or right.cause != RESET:
        raise Refused("There is nothing to re-enrol.", cure="Look at your account again.", rule="ES-14")
    look = reproofing_of(right.person)
    if look is None or look.proofed_at < right.changed_at:
        raise Refused(
            "After a reset your identity is proofed again first.",
            cure="Show a document to the security administrator; a second person confirms it.",
            rule="ES-14",
        )
    _restore(right, actor, "re-enrolled after a reset")
    return accept_statement(actor=actor, credentials=credentials)


def was_reset(person: Person) -> bool:
    """Whether a reset took a person's right to sign, so that the owner re-enrols."""
    return SigningRight.objects.filter(person=person, state=RightState.SUSPENDED, cause=RESET).exists()


def _restore(right: SigningRight, actor: Actor, reason: str) -> None:
    right.state, right.cause, right.changed_at = RightState.ACTIVE, "", timezone.now()
    right.save(update_fields=["state", "cause", "changed_at"])
    publish(right, SigningRightRestored(person_id=right.person_id), actor=actor, reason=reason)


@unit_of_work
def restore_signing_right(*, person: Person, actor: Actor, reason: str) -> None:
    """Give back a right, with a reason. What wrong secrets took takes one security administrator (ES-15); what a person
    took, as compromised or at a review, takes another than that one. A reset's comes back by re-enrolment alone (ES-14)."""
    require(actor, "mes.guard_accounts")
    _refuse_self(person, actor)
    if not reason.strip():
        raise InvalidInput("A reason is missing.", cure="Say what was found out.", rule="ES-15")
    right = SigningRight.objects.select_for_update().filter(person=person, state=RightState.SUSPENDED).first()
    if right is None:
        raise Refused("This right is not suspended.", cure="Look at the list again.", rule="ES-15")
    if right.cause == RESET:
        raise Refused(
            "A reset took this right: its owner re-enrols.",
            cure="Proof the identity again; the owner then signs the statement with the new secret.",
            rule="ES-14",
        )
    _refuse_suspender(right, actor)
    _restore(right, actor, reason)


def _refuse_suspender(right: SigningRight, actor: Actor) -> None:
    taken = events_of(right).filter(type="mes.signing_right_suspended").last()
    if taken is not None and taken.actor == str(actor):
        raise NotPermitted(
            "You suspended this right: to give it back takes a second person.",
            cure="Ask another security administrator.",
            rule="P11-200a3",
        )


@unit_of_work
def review_credentials(*, account: Account, keep: bool, actor: Actor, comment: str = "") -> CredentialReview:
    """Confirm an account, its roles and its right for another 180 days, or suspend the right (P11-300b, ES-16)."""
    require(actor, "mes.review_credentials")
    if actor.person_id is not None and actor.person_id == account.person_id:
        raise NotPermitted("Nobody reviews the own account.", cure="Ask somebody else.", rule="P11-200a3")
    outcome = "keep" if keep else "suspend"
    review = CredentialReview.objects.create(
        account=account, reviewer=str(actor), outcome=outcome, comment=comment[:2000]
    )
    said = CredentialsReviewed(account_id=account.pk, outcome=outcome)
    publish(account, said, actor=actor, reason=comment[:2000])
    if not keep and account.person_id:
        suspend_right(person_id=account.person_id, cause="review", actor=actor, reason=comment[:2000])
    return review
