"""Forgetting who a patient is: two people decide, a legal duty to keep wins, the data key is shredded, and the record
stays whole, because it only ever held the token (GDPR Art. 17, K-13; regulatory 7.5)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from django.utils import timezone

from mes.choices import ErasureStage, Meaning, Role
from mes.compiled import by_key
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, running_unit, unit_of_work
from mes.events import (
    ErasureApproved,
    ErasureRefused,
    ErasureRequested,
    IdentityKeysDestroyed,
    PatientIdentityErased,
)
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Reason
from mes.lifecycle import ask_gates, refuse_blocked
from mes.locking import HOLDS, while_unchanged
from mes.models import ErasureRequest, Patient, PatientIdentity, Person, Signature
from mes.permissions import require
from mes.selectors import roles_of
from mes.services.looking import person_behind
from mes.services.signatures import Credentials, sign
from mes.services.signing_withdrawal import lasting
from mes.services.vaultkeys import ROTATOR, destroy_keys
from mes.standing import carries

ERASE = "patient.erase"
OVERWRITTEN = b"erased"
REWRAPPED_AT_ONCE = 1000
"""Rows in one transaction."""
Decision = Literal["approve", "refuse"]
APPROVALS = {Role.PRV: "officer_approval", Role.QAR: "quality_approval"}


@unit_of_work
def request_erasure(*, patient: Patient, reason: str, actor: Actor) -> ErasureRequest:
    """Register that somebody asks for a patient to be forgotten. Raises Conflict where one waits or it is done."""
    require(actor, "mes.request_erasure")
    if not reason.strip():
        raise InvalidInput("Say who asks for the erasure, and why.", cure="Type it.", rule="P11-10e")
    patient = Patient.objects.select_for_update().get(pk=patient.pk)
    if patient.erased:
        raise Conflict("This identity is erased already.", cure="Nothing is left to erase.", rule="K-13")
    if ErasureRequest.objects.filter(patient=patient, stage=ErasureStage.REQUESTED).exists():
        raise Conflict(
            "A request for this patient waits already.", cure="Decide about that one.", rule="K-13"
        )
    request = ErasureRequest.objects.create(
        patient=patient,
        reason=reason.strip(),
        registered_by=Person.objects.get(pk=person_behind(actor)),
        registered_at=timezone.now(),
    )
    event = ErasureRequested(request_id=request.pk, patient_id=patient.pk)
    publish(request, event, actor=actor, reason=request.reason)
    return request


def decision_content(
    request: ErasureRequest, role: Role, decision: Decision, reason: str = ""
) -> Mapping[str, Any]:
    """What somebody who decides signs."""
    return {
        "erasure_request": request.code,
        "patient": request.patient.token,
        "asked_for": request.reason,
        "decision": decision,
        "decided_as": role.value,
        "reason": reason,
    }


@unit_of_work
def approve_erasure(*, request_id: int, role: Role, actor: Actor, credentials: Credentials) -> ErasureRequest:
    """Agree, as privacy officer or quality reviewer. The second of two people erases, if nothing has to be kept.

    Raises TransitionRefused with every legal hold, retention rule and running order that stands in the way.
    """
    request = _waiting(request_id)
    _may_decide(actor, role)
    column = APPROVALS[role]
    if request.patient.erased:
        raise Conflict(
            "This identity went with the disposal of its last record.",
            cure="Refuse the request, and say so.",
            rule="K-13",
        )
    _apart(request, actor, column)
    while_unchanged(HOLDS)
    results = ask_gates(ERASE, request.patient)
    refuse_blocked(results)
    signature = sign(
        subject=request,
        content=decision_content(request, role, "approve"),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    setattr(request, column, signature)
    complete = all(name == column or carries(request, name) for name in APPROVALS.values())
    if complete:
        request.stage, request.decided_at = ErasureStage.ERASED, timezone.now()
    request.save(update_fields=[column, "stage", "decided_at"])
    event = ErasureApproved(request_id=request.pk, role=role.value, signature_id=signature.pk)
    publish(request, event, actor=actor)
    if complete:
        shred_identity(
            request.patient,
            request_id=request.pk,
            gates=[result.as_payload() for result in results],
            actor=actor,
            reason=request.reason,
        )
    return request


@unit_of_work
def refuse_erasure(
    *, request_id: int, role: Role, reason: str, actor: Actor, credentials: Credentials
) -> ErasureRequest:
    """Refuse, as either of the two, with the reason that the person who asked is told."""
    request = _waiting(request_id)
    _may_decide(actor, role)
    if not reason.strip():
        raise InvalidInput("Say why the request is refused.", cure="Type it.", rule="P11-10e")
    signature = sign(
        subject=request,
        content=decision_content(request, role, "refuse", reason.strip()),
        meaning=Meaning.REJECTED,
        actor=actor,
        credentials=credentials,
    )
    request.stage, request.decided_at = ErasureStage.REFUSED, timezone.now()
    request.save(update_fields=["stage", "decided_at"])
    event = ErasureRefused(request_id=request.pk, signature_id=signature.pk)
    publish(request, event, actor=actor, reason=reason.strip())
    return request


def _waiting(request_id: int) -> ErasureRequest:
    """The patient first, then the request: the order in which everybody locks them."""
    patient_id = ErasureRequest.objects.values_list("patient_id", flat=True).get(pk=request_id)
    Patient.objects.select_for_update().get(pk=patient_id)
    request = ErasureRequest.objects.select_for_update().get(pk=request_id)
    if request.stage != ErasureStage.REQUESTED:
        raise Conflict("This request is decided.", cure="Look at it again.", rule="K-06")
    return request


def _may_decide(actor: Actor, role: Role) -> None:
    require(actor, "mes.decide_erasure")
    person = by_key(Person, person_behind(actor))
    if role not in APPROVALS or person is None or role not in roles_of(person):
        raise NotPermitted(
            f"You do not decide as {role.label}.",
            cure="The privacy officer and a quality reviewer decide.",
            rule="G-OPR-02",
        )


def _apart(request: ErasureRequest, actor: Actor, column: str) -> None:
    """Each approval once, by two people; one that was withdrawn is none, and is given anew."""
    if carries(request, column):
        raise Conflict("This approval stands already.", cure="The other one is needed.", rule="ES-14")
    others = [name for name in APPROVALS.values() if name != column and carries(request, name)]
    if any(getattr(request, name).person_id == actor.person_id for name in others):
        raise NotPermitted(
            "You have approved this already: two people decide.",
            cure="Somebody else approves.",
            rule="G-SOD-01",
        )


@lasting("mes.erasure_request")
def _erased(signature: Signature) -> Reason | None:
    """An identity that is erased does not come back with a signature."""
    if not ErasureRequest.objects.filter(pk=signature.subject_id, stage=ErasureStage.ERASED).exists():
        return None
    return Reason(
        "The identity is erased on this signature.", "It stays as it is: nothing brings it back.", "ES-18"
    )


def shred_identity(
    patient: Patient,
    *,
    actor: Actor,
    reason: str,
    gates: list[dict[str, Any]],
    request_id: int | None = None,
    disposal_id: int | None = None,
) -> None:
    """Overwrite the wrapped data key, and with it everything that it sealed. The row stays; the token stays.

    The database keeps what it had (dead rows, WAL): a worker destroys the keys that open it next (`destroy_keys_of`).
    Part of the unit in which the second of two people decided, or in which what they signed is carried out.
    """
    running_unit("An identity was erased")
    row = PatientIdentity.objects.select_for_update().get(patient=patient)
    wrapped_by, indexed_by = row.data_key_id, row.index_key_id
    row.data_key, row.data_key_id, row.index_key_id = OVERWRITTEN, "", ""
    row.sealed_patient_id = row.sealed_family_name = OVERWRITTEN
    row.sealed_given_name = row.sealed_birth_date = OVERWRITTEN
    # Unique, and nobody's: an identifier may be registered again, as a new patient.
    row.patient_id_index = f"erased {secrets.token_hex(16)}"
    row.save()
    patient.erased = True
    patient.save(update_fields=["erased"])
    event = PatientIdentityErased(
        patient_id=patient.pk,
        request_id=request_id,
        disposal_id=disposal_id,
        gates=gates,
        wrapped_by=wrapped_by,
        indexed_by=indexed_by,
    )
    publish(patient, event, actor=actor, reason=reason)


def destroy_keys_of(erased: PatientIdentityErased) -> Callable[[], None]:
    """Give everybody else new keys and destroy those of an erased identity. Returns what writes that down.

    Outside of every transaction, for as long as it takes; asked again, it goes on. Raises Conflict where another process
    rotates: ask again later.
    """
    destroy_keys({"wrap": erased.wrapped_by, "index": erased.indexed_by}, batch=REWRAPPED_AT_ONCE)
    return partial(_write_down, erased)


def _write_down(erased: PatientIdentityErased) -> None:
    event = IdentityKeysDestroyed(
        patient_id=erased.patient_id, wrapped_by=erased.wrapped_by, indexed_by=erased.indexed_by
    )
    publish(Patient.objects.get(pk=erased.patient_id), event, actor=ROTATOR)
