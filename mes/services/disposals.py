"""Destroying what a record no longer has to keep: two signatures over one certificate, then a command of the owner.

The rows stay, and so does every digest: only files that no kept record refers to leave the store, and the identity of a
patient goes with the last record that needs it (7.1, K-13).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db.models import Model
from django.utils import timezone

from mes.choices import DisposalStage, Meaning
from mes.eventlog.base import Actor, canonical, digest_of, plain
from mes.eventlog.fileowners import destroyed_by, disposals_carried_out, needed_by_records
from mes.eventlog.unit import publish, unit_of_work
from mes.events import DisposalApproved, DisposalCarriedOut, DisposalProposed, DisposalWithdrawn
from mes.exceptions import Conflict, InvalidInput, NotPermitted, Reason, Refused
from mes.locking import HOLDS, while_unchanged
from mes.models import Artefact, Disposal, Patient, Signature
from mes.permissions import require
from mes.retention import CLASSES, tags_of
from mes.selectors import events_of, stream_of
from mes.services.artefacts import hold_files, remove_artefacts, store
from mes.services.erasure import shred_identity
from mes.services.holds import held_by
from mes.services.recordfiles import files_of_record
from mes.services.retention import keeping_of, reason_of_rules, record_of, records_kept_of
from mes.services.signatures import Credentials, sign
from mes.services.signing_withdrawal import lasting
from mes.standing import reasons_against

RULE = "K-15"
REMOVER = Actor.system("dispose")


def reasons_to_keep(row: Model, on: date | None = None) -> tuple[Reason, ...]:
    """Every reason why a record may not be destroyed on a day, by default today."""
    kind, _ = stream_of(row)
    if not CLASSES[kind].disposable:
        return (Reason("Records of this class are never destroyed.", "Other records rest on it.", RULE),)
    reasons = [
        Reason(f"Legal hold {hold.code} reaches it: {hold.reason}", "Two people release the hold.", RULE)
        for hold in held_by(row)
    ]
    if ruled := reason_of_rules(row, on):
        reasons.append(ruled)
    return tuple(reasons)


def certificate_of(row: Model, reason: str) -> Mapping[str, Any]:
    """What is destroyed and what stays, as both people sign it: ids and digests, never content."""
    kind, key = stream_of(row)
    last = events_of(row).order_by("-version").first()
    files = files_of_record(row)
    sizes = dict(Artefact.objects.filter(pk__in=files.going).values_list("sha256", "size"))
    keeping = keeping_of(row)
    return {
        "record": {"root": kind, "id": key, "code": str(row)},
        "patients": sorted(value for scope, value in tags_of(kind, row) if scope == "patient"),
        "events": last.version if last else 0,
        "last_event": str(last.uid) if last else "",
        "record_digest": last.record_digest if last else "",
        "kept_until": str(keeping.until),
        "rules": list(keeping.rules),
        "destroyed": [{"sha256": name, "bytes": sizes.get(name, 0)} for name in files.going],
        "kept_for_others": [{"sha256": name, "by": by} for name, by in sorted(files.staying.items())],
        "identities_erased": [patient.token for patient in identities_going(row)],
        "reason": reason.strip(),
    }


def identities_going(row: Model) -> list[Patient]:
    """Patients of a record whose identity nothing else keeps: no other record of theirs, and no legal hold."""
    kind, key = stream_of(row)
    tokens = {value for scope, value in tags_of(kind, row) if scope == "patient"}
    patients = Patient.objects.filter(token__in=tokens, erased=False).order_by("token")
    return [
        one
        for one in patients
        if {stream_of(left) for left in records_kept_of(one)} <= {(kind, key)} and not held_by(one)
    ]


@unit_of_work
def propose_disposal(*, row: Model, reason: str, actor: Actor, credentials: Credentials) -> Disposal:
    """The records manager signs the certificate. Raises Refused with every hold and rule that keeps the record."""
    require(actor, "mes.propose_disposal")
    if not reason.strip():
        raise InvalidInput("Say why the record is destroyed.", cure="Type it.", rule="P11-10e")
    _refuse_kept(row)
    kind, key = stream_of(row)
    if (
        Disposal.objects.filter(record_root=kind, record_id=key)
        .exclude(stage=DisposalStage.WITHDRAWN)
        .exists()
    ):
        raise Conflict("A disposal of this record stands already.", cure="Look at that one.", rule=RULE)
    content = certificate_of(row, reason)
    text = canonical(content)
    disposal = Disposal.objects.create(record_root=kind, record_id=key, certificate=text)
    disposal.proposal = sign(
        subject=disposal, content=content, meaning=Meaning.AUTHORED, actor=actor, credentials=credentials
    )
    disposal.save(update_fields=["proposal"])
    event = DisposalProposed(
        disposal_id=disposal.pk,
        record_root=kind,
        record_id=key,
        certificate=digest_of(content),
        signature_id=disposal.proposal.pk,
    )
    publish(disposal, event, actor=actor, reason=reason.strip())
    return disposal


def signed_certificate(disposal: Disposal) -> Mapping[str, Any]:
    """The certificate as the records manager signed it."""
    content: Mapping[str, Any] = json.loads(disposal.certificate)
    return content


@unit_of_work
def approve_disposal(*, disposal_id: int, actor: Actor, credentials: Credentials) -> Disposal:
    """The second of two people signs the same certificate, while it still says what is there."""
    require(actor, "mes.approve_disposal")
    disposal = _locked(disposal_id, DisposalStage.PROPOSED)
    _refuse_withdrawn(disposal)
    if disposal.proposal is not None and disposal.proposal.person_id == actor.person_id:
        raise NotPermitted(
            "You proposed this disposal: two people decide.", cure="Somebody else signs.", rule="G-SOD-01"
        )
    content = signed_certificate(disposal)
    row = record_of(disposal.record_root, disposal.record_id)
    _refuse_kept(row)
    _refuse_changed(row, content)
    disposal.approval = sign(
        subject=disposal, content=content, meaning=Meaning.APPROVED, actor=actor, credentials=credentials
    )
    disposal.stage = DisposalStage.APPROVED
    disposal.save(update_fields=["approval", "stage"])
    event = DisposalApproved(
        disposal_id=disposal.pk, certificate=digest_of(content), signature_id=disposal.approval.pk
    )
    publish(disposal, event, actor=actor)
    return disposal


@unit_of_work
def withdraw_disposal(*, disposal_id: int, reason: str, actor: Actor) -> Disposal:
    """Either of the two roles stops a disposal that is not carried out yet."""
    require(actor, "mes.stop_disposal")
    disposal = _locked(disposal_id, DisposalStage.PROPOSED, DisposalStage.APPROVED)
    if not reason.strip():
        raise InvalidInput("Say why it is withdrawn.", cure="Type it.", rule="P11-10e")
    disposal.stage = DisposalStage.WITHDRAWN
    disposal.save(update_fields=["stage"])
    publish(disposal, DisposalWithdrawn(disposal_id=disposal.pk), actor=actor, reason=reason.strip())
    return disposal


def carry_out_disposal(*, disposal_id: int) -> int:
    """Remove the files that the certificate lists; returns how many. Safe to repeat after an interruption. The
    identities that it lists are erased with the fact.

    The fact is committed before the first file goes: a file that is gone without it would be a lost file. Meanwhile, and
    before a repetition, a file may have come in again for another record: that one stays.
    """
    _decide(disposal_id=disposal_id)
    return _remove_files(disposal_id=disposal_id)


def files_left(disposal: Disposal) -> int:
    """How many files of a certificate stand in the store."""
    return sum(store().path_of(name).exists() for name in destroyed_by(disposal))


@unit_of_work
def _remove_files(*, disposal_id: int) -> int:
    names = destroyed_by(_locked(disposal_id, DisposalStage.CARRIED_OUT))
    hold_files(names)
    disposed = {(one.record_root, one.record_id) for one in disposals_carried_out()}
    return remove_artefacts(names - needed_by_records(names, disposed).keys())


@unit_of_work
def _decide(*, disposal_id: int) -> None:
    require(REMOVER, "mes.carry_out_disposal")
    disposal = _locked(disposal_id, DisposalStage.APPROVED, DisposalStage.CARRIED_OUT)
    if disposal.stage == DisposalStage.CARRIED_OUT:
        return
    content = signed_certificate(disposal)
    _refuse_withdrawn(disposal)
    row = record_of(disposal.record_root, disposal.record_id)
    list(Patient.objects.select_for_update().filter(token__in=content["patients"]).order_by("pk"))
    _refuse_kept(row)
    _refuse_changed(row, content)
    disposal.stage, disposal.carried_out_at = DisposalStage.CARRIED_OUT, timezone.now()
    disposal.save(update_fields=["stage", "carried_out_at"])
    event = DisposalCarriedOut(
        disposal_id=disposal.pk,
        record_root=disposal.record_root,
        record_id=disposal.record_id,
        certificate=digest_of(content),
        files=len(content["destroyed"]),
    )
    publish(disposal, event, actor=REMOVER)
    for patient in Patient.objects.filter(token__in=content["identities_erased"]).order_by("pk"):
        shred_identity(
            patient, disposal_id=disposal.pk, gates=[], actor=REMOVER, reason=str(content["reason"])
        )


def _refuse_withdrawn(disposal: Disposal) -> None:
    """Two people destroy: a signature that was taken back is none."""
    cure = "Withdraw this disposal and propose it again."
    reasons = reasons_against(disposal, ("proposal", "approval"), "A signature on this certificate", cure)
    if reasons:
        raise Refused(reasons)


@lasting("mes.disposal")
def _carried_out(signature: Signature) -> Reason | None:
    """Files that are destroyed do not come back with a signature."""
    if not Disposal.objects.filter(pk=signature.subject_id, stage=DisposalStage.CARRIED_OUT).exists():
        return None
    return Reason(
        "The files are destroyed on this signature.", "It stays as it is: nothing brings them back.", "ES-18"
    )


def _refuse_kept(row: Model) -> None:
    """A hold that is being placed is waited for, or waits itself until this unit has decided."""
    while_unchanged(HOLDS)
    if reasons := reasons_to_keep(row):
        raise Refused(reasons)


def _refuse_changed(row: Model, signed: Mapping[str, Any]) -> None:
    """What was signed is what would be destroyed now (ES-10)."""
    if plain(certificate_of(row, str(signed["reason"]))) != signed:
        raise Refused(
            "The record changed after the certificate was signed.",
            cure="Withdraw this disposal and propose it again.",
            rule="ES-10",
        )


def _locked(disposal_id: int, *stages: DisposalStage) -> Disposal:
    disposal = Disposal.objects.select_for_update().filter(pk=disposal_id).first()
    if disposal is None:
        raise InvalidInput("There is no such disposal.", cure="Look at the list again.")
    if disposal.stage not in stages:
        raise Conflict(
            f"Disposal {disposal.code} stands at “{disposal.get_stage_display()}”.",
            cure="It is carried out after two signatures, and once.",
            rule=RULE,
        )
    return disposal
