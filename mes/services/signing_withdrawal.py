"""Taking a signature back: by another one with a reason, and both stay (ES-18)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Model

from mes.choices import Meaning
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import SignatureWithdrawn
from mes.exceptions import Conflict, InvalidInput, Reason
from mes.models import Signature, SignatureWithdrawal
from mes.permissions import require
from mes.registry import Registry
from mes.services.signatures import Credentials, sign
from mes.signing_seal import hash_of
from mes.standing import hold_withdrawal, is_withdrawn
from mes.tables import ROOTS

LASTING = frozenset({Meaning.WITHDRAWN, Meaning.ACCEPTED})
Done = Callable[[Signature], Reason | None]
DONE: Registry[Done] = Registry("act that is done")
"""By kind of record: why a signature about it can no longer be taken back, because what it carried cannot be undone."""


def lasting(root: str) -> Callable[[Done], Done]:
    """Declare what keeps signatures about a kind of record for good: asked while nobody else decides on the signature.

    The module that declares it stands in `mes.apps.DISCOVERED`, so that every process knows it.
    """

    def declare(done: Done) -> Done:
        DONE.add(root, done)
        return done

    return declare


def subject_of(signature: Signature) -> Model:
    """The row that a signature is about. Raises InvalidInput where its kind is unknown or it is gone."""
    model = ROOTS[signature.subject_type].model if signature.subject_type in ROOTS else None
    found = model._default_manager.filter(pk=signature.subject_id).first() if model else None
    if found is None:
        raise InvalidInput("What this signature is about is not there.", cure="Run manage.py verify.")
    return found


def can_be_withdrawn(signature: Signature) -> bool:
    """A withdrawal itself, the acceptance of the statement, and what carried an act that cannot be undone stay as they are."""
    if signature.meaning in LASTING or is_withdrawn(signature):
        return False
    return _against_withdrawal(signature) is None


def _against_withdrawal(signature: Signature) -> Reason | None:
    done = DONE.get(signature.subject_type)
    return done(signature) if done else None


def withdrawal_content(signature: Signature, reason: str) -> dict[str, Any]:
    """What a withdrawal signs: which signature, by its hash, and why."""
    return {
        "record": "withdrawal of a signature",
        "signature": str(signature.uid),
        "signature_hash": hash_of(signature),
        "of": f"{signature.subject_type}/{signature.subject_id}",
        "meaning": signature.meaning,
        "signed_by": signature.printed_name,
        "signed_at": signature.signed_at,
        "reason": reason.strip(),
    }


@unit_of_work
def withdraw_signature(
    *, signature_id: int, reason: str, actor: Actor, credentials: Credentials
) -> SignatureWithdrawal:
    """Withdraw one's own signature, or with the right to, somebody's. What stood on it is blocked by its gates."""
    signature = by_key(Signature, signature_id)
    if signature is None:
        raise InvalidInput("There is no such signature.", cure="Look at the record again.")
    if signature.person_id != actor.person_id:
        require(actor, "mes.withdraw_signature")
    hold_withdrawal(signature)
    if signature.meaning in LASTING or is_withdrawn(signature):
        raise Conflict(
            "This signature cannot be withdrawn, or was already.", cure="Look again.", rule="ES-18"
        )
    if against := _against_withdrawal(signature):
        raise Conflict([against])
    if not reason.strip():
        raise InvalidInput("Say why the signature is withdrawn.", rule="P11-10e")
    subject = subject_of(signature)
    taken_back = sign(
        subject=subject,
        content=withdrawal_content(signature, reason),
        meaning=Meaning.WITHDRAWN,
        actor=actor,
        credentials=credentials,
    )
    withdrawal = SignatureWithdrawal.objects.create(
        withdrawn=signature, signature=taken_back, reason=reason.strip()
    )
    told = SignatureWithdrawn(withdrawn_id=signature.pk, signature_id=taken_back.pk)
    publish(subject, told, actor=actor, reason=reason.strip())
    return withdrawal
