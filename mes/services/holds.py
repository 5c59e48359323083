"""Legal holds: what they reach is neither destroyed nor erased, until two people sign that they end (K-15)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from mes.choices import HoldScope, HoldStage, Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import (
    LegalHoldPlaced,
    LegalHoldReleased,
    LegalHoldReleaseProposed,
    LegalHoldReleaseRefused,
)
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Reason
from mes.locking import HOLDS, nobody_else
from mes.models import EmergencyAccess, EventRecord, HandwrittenSignature, LegalHold, Patient, Signature
from mes.permissions import require
from mes.retention import LEADING_TO_PATIENTS, tags_of
from mes.selectors import stream_of
from mes.services.signatures import Credentials, sign
from mes.services.signing_withdrawal import lasting
from mes.standing import carries, require_carried
from mes.tables import TABLES

RULE = "K-15"
SCOPES = {"devices.order": HoldScope.ORDER, "printing.lot": HoldScope.LOT, "mes.patient": HoldScope.PATIENT}


@unit_of_work
def place_hold(
    *,
    subject: Model | None,
    reason: str,
    requester: str,
    review_on: date,
    actor: Actor,
    since: date | None = None,
    until: date | None = None,
    notified: str = "",
) -> LegalHold:
    """Hold an order, a lot or a patient with everything that belongs to it; or, without a subject, a range of dates."""
    require(actor, "mes.place_hold")
    placed_by = actor.person_id
    if placed_by is None:
        raise NotPermitted("Only a person holds records.", cure="Sign in and do it.", rule="P11-10g")
    _refuse_unusable(subject, reason, requester, review_on, since, until)
    nobody_else(HOLDS)
    scope, value = _scope_of(subject)
    hold = LegalHold.objects.create(
        scope=scope,
        value=value,
        since=since if subject is None else None,
        until=until if subject is None else None,
        reason=reason.strip(),
        requester=requester.strip()[:120],
        notified=notified.strip(),
        review_on=review_on,
        placed_by_id=placed_by,
    )
    event = LegalHoldPlaced(
        hold_id=hold.pk,
        scope=scope.value,
        value=value,
        since=str(hold.since) if hold.since else None,
        until=str(hold.until) if hold.until else None,
        review_on=str(review_on),
    )
    publish(hold, event, actor=actor, reason=hold.reason)
    return hold


def _refuse_unusable(
    subject: Model | None,
    reason: str,
    requester: str,
    review_on: date,
    since: date | None,
    until: date | None,
) -> None:
    faults = []
    if not reason.strip() or not requester.strip():
        faults.append(Reason("A hold needs a reason and somebody who asked for it.", "Fill in both.", RULE))
    if review_on < timezone.localdate():
        faults.append(Reason("The review date is over.", "Give a day from today on.", RULE))
    if subject is None and (since is None or until is None or since > until):
        faults.append(Reason("A range of dates has a first and a last day.", "Give both, in order.", RULE))
    if faults:
        raise InvalidInput(faults)


def _scope_of(subject: Model | None) -> tuple[HoldScope, str]:
    if subject is None:
        return HoldScope.DATES, ""
    kind, key = stream_of(subject)
    if kind not in SCOPES:
        raise InvalidInput(
            "A hold is placed on an order, a lot or a patient.", cure="Hold its order.", rule=RULE
        )
    return SCOPES[kind], subject.token if isinstance(subject, Patient) else key


def held_by(subject: Model) -> tuple[LegalHold, ...]:
    """Every hold that reaches a record now, the oldest first. A release that is only proposed still holds."""
    kind, _ = stream_of(subject)
    holds = list(LegalHold.objects.exclude(stage=HoldStage.RELEASED).order_by("pk"))
    tags = tags_of(kind, subject) if holds else set()
    asked = any(hold.scope == HoldScope.DATES for hold in holds)
    about = streams_about(subject) if asked else {}
    told = EventRecord.objects.filter(_any_of(about, "stream_type", "stream_id"))
    return tuple(hold for hold in holds if (hold.scope, hold.value) in tags or _in_range(hold, told))


def streams_about(subject: Model) -> dict[str, set[str]]:
    """Root: keys of the record itself; for a patient, also of everything that leads to this patient, and of the papers
    signed by hand about it."""
    kind, key = stream_of(subject)
    found = {kind: {key}}
    if not isinstance(subject, Patient):
        return found
    for rows in (rows for find in LEADING_TO_PATIENTS.values() for rows in find(subject)):
        found[TABLES[rows.model._meta.db_table].root] = {str(row.pk) for row in rows}
    signed = HandwrittenSignature.objects.filter(_any_of(found, "subject_type", "subject_id"))
    return found | {"mes.handwritten_signature": {str(row.pk) for row in signed}}


def _any_of(streams: Mapping[str, set[str]], kind: str, key: str) -> Q:
    wanted = Q(pk__in=[])
    for root, keys in sorted(streams.items()):
        wanted |= Q(**{kind: root, f"{key}__in": sorted(keys)})
    return wanted


LEADING_TO_PATIENTS.add("emergencies", lambda patient: [EmergencyAccess.objects.filter(patient=patient)])


def _in_range(hold: LegalHold, told: QuerySet[EventRecord]) -> bool:
    """Whether anything happened to the record on the days of a range. Days are those of UTC, as events have them."""
    if hold.scope != HoldScope.DATES:
        return False
    return told.filter(recorded_at__date__range=(hold.since, hold.until)).exists()


def release_content(hold: LegalHold, reason: str) -> Mapping[str, Any]:
    """What both people sign."""
    return {
        "legal_hold": hold.code,
        "scope": hold.scope,
        "value": hold.value,
        "since": hold.since,
        "until": hold.until,
        "held_because": hold.reason,
        "requester": hold.requester,
        "placed_at": hold.placed_at,
        "decision": "release",
        "reason": reason.strip(),
    }


@unit_of_work
def propose_release(*, hold_id: int, reason: str, actor: Actor, credentials: Credentials) -> LegalHold:
    """The records manager signs that the hold may end. It holds until a quality reviewer has signed the same."""
    require(actor, "mes.propose_hold_release")
    hold = _to_propose(hold_id)
    if not reason.strip():
        raise InvalidInput("Say why the hold may end.", cure="Type it.", rule="P11-10e")
    signature = sign(
        subject=hold,
        content=release_content(hold, reason),
        meaning=Meaning.AUTHORED,
        actor=actor,
        credentials=credentials,
    )
    hold.stage, hold.release_reason, hold.proposal = HoldStage.RELEASE_PROPOSED, reason.strip(), signature
    hold.save(update_fields=["stage", "release_reason", "proposal"])
    event = LegalHoldReleaseProposed(hold_id=hold.pk, signature_id=signature.pk)
    publish(hold, event, actor=actor, reason=hold.release_reason)
    return hold


@unit_of_work
def release_hold(*, hold_id: int, actor: Actor, credentials: Credentials) -> LegalHold:
    """The second of two people signs, and the hold ends."""
    require(actor, "mes.release_hold")
    hold = _locked(hold_id, HoldStage.RELEASE_PROPOSED)
    require_carried(
        hold,
        "proposal",
        text="The proposal to end this hold was withdrawn: one person alone ends none.",
        cure="The records manager proposes it again.",
    )
    if hold.proposal is not None and hold.proposal.person_id == actor.person_id:
        raise NotPermitted(
            "You proposed this release: two people end a hold.",
            cure="Somebody else signs.",
            rule="G-SOD-01",
        )
    signature = sign(
        subject=hold,
        content=release_content(hold, hold.release_reason),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    hold.stage, hold.release = HoldStage.RELEASED, signature
    hold.save(update_fields=["stage", "release"])
    publish(hold, LegalHoldReleased(hold_id=hold.pk, signature_id=signature.pk), actor=actor)
    return hold


@unit_of_work
def refuse_release(*, hold_id: int, reason: str, actor: Actor) -> LegalHold:
    """The second person does not agree: the hold stays as it was."""
    require(actor, "mes.release_hold")
    hold = _locked(hold_id, HoldStage.RELEASE_PROPOSED)
    if not reason.strip():
        raise InvalidInput("Say why the hold stays.", cure="Type it.", rule="P11-10e")
    hold.stage, hold.proposal, hold.release_reason = HoldStage.ACTIVE, None, ""
    hold.save(update_fields=["stage", "proposal", "release_reason"])
    publish(hold, LegalHoldReleaseRefused(hold_id=hold.pk), actor=actor, reason=reason.strip())
    return hold


def may_propose(hold: LegalHold) -> bool:
    """An active hold may be proposed to end, and so may one whose proposal was taken back."""
    proposed = hold.stage == HoldStage.RELEASE_PROPOSED
    return hold.stage == HoldStage.ACTIVE or (proposed and not carries(hold, "proposal"))


def _to_propose(hold_id: int) -> LegalHold:
    hold = _locked(hold_id, HoldStage.ACTIVE, HoldStage.RELEASE_PROPOSED)
    if not may_propose(hold):
        raise Conflict(f"The release of {hold.code} is proposed already.", cure="Look again.", rule="K-06")
    return hold


@lasting("mes.legal_hold")
def _ended(signature: Signature) -> Reason | None:
    """What a hold kept may have been destroyed since it ended."""
    if not LegalHold.objects.filter(pk=signature.subject_id, stage=HoldStage.RELEASED).exists():
        return None
    return Reason(
        "The hold ended on this signature, and what it kept may be gone.", "Place a new hold.", "ES-18"
    )


def _locked(hold_id: int, *stages: HoldStage) -> LegalHold:
    hold = LegalHold.objects.select_for_update().get(pk=hold_id)
    if hold.stage not in stages:
        raise Conflict(
            f"Hold {hold.code} stands at “{hold.get_stage_display()}”.", cure="Look again.", rule="K-06"
        )
    return hold
