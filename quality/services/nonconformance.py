"""Nonconformances: opened by what finds them, disposed by two people (SM-nonconformance, G-NC-01)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devices.choices import Stage
from devices.models import Device
from devices.selectors.devices import FINAL_STAGES
from devices.services.holds import hold_device, lift_holds
from devices.services.lifecycle import locked_device
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, Reason, TransitionRefused
from mes.models import Signature
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.services.signing_withdrawal import lasting
from mes.standing import require_carried
from quality.choices import ENDED_STAGES, Disposition, NonconformanceStage, Severity, Source
from quality.events import (
    DispositionProposed,
    DispositionReturned,
    NonconformanceDisposed,
    NonconformanceOpened,
    NonconformanceStageChanged,
    NonconformanceVoided,
)
from quality.lifecycle import NONCONFORMANCE, PROPOSAL_PATH
from quality.models import Nonconformance
from quality.reports.units import ACCEPTED, OPEN, unit_states
from quality.services.scrapping import SYSTEM, hold_source, refuse_impossible, scrap_as_disposed

RULE = "G-NC-01"


@unit_of_work
def open_nonconformance(
    *,
    device_id: int,
    source: Source,
    requirement: str,
    description: str,
    actor: Actor,
    severity: Severity = Severity.MAJOR,
    evidence: Mapping[str, Any] | None = None,
    units: Sequence[int] = (),
) -> Nonconformance:
    """Write down that a requirement is not met, and hold the device wherever it could still go forward.

    units: those of a lot that it is about; none: all of the device.
    """
    device = locked_device(device_id)
    require(actor, "quality.open_nonconformance", device)
    if not requirement.strip() or not description.strip():
        raise InvalidInput("Say what was required and what was found.", cure="Fill in both.", rule=RULE)
    _refuse_units(device, units)
    found = Nonconformance.objects.create(
        device=device,
        units=sorted(set(units)),
        source=source,
        found_at_stage=device.stage,
        requirement=requirement.strip()[:200],
        description=description.strip(),
        severity=severity,
        evidence=dict(evidence or {}),
        opened_by_id=actor.person_id,
    )
    publish(
        found,
        NonconformanceOpened(
            nonconformance_id=found.pk,
            device_id=device.pk,
            source=found.source,
            stage=found.found_at_stage,
            requirement=found.requirement,
            description=found.description,
            severity=found.severity,
            evidence=found.evidence,
            units=found.units,
        ),
        actor=actor,
    )
    if device.stage not in (Stage.NONCONFORMING, *FINAL_STAGES):
        hold_device(
            device_id=device.pk,
            actor=SYSTEM,
            reason=f"Nonconformance {found.code} is open",
            source=hold_source(found),
        )
    return found


@unit_of_work
def propose_disposition(
    *,
    nonconformance_id: int,
    disposition: Disposition,
    justification: str,
    actor: Actor,
    credentials: Credentials,
) -> Nonconformance:
    """The owner evaluates and proposes, by signature, what happens to the device.

    Raises TransitionRefused where the stage of the device does not permit it: nobody could approve it (K-06).
    """
    device = locked_device(nonconformance_device(nonconformance_id))
    found = _locked(nonconformance_id)
    require(actor, "quality.propose_disposition", found)
    if disposition == Disposition.NONE or not justification.strip():
        raise InvalidInput("Choose a disposition and justify it.", cure="Fill in both.", rule=RULE)
    refuse_impossible(device, found)
    for target in PROPOSAL_PATH[PROPOSAL_PATH.index(_proposable(found)) + 1 :]:
        _move(found, target, actor)
    signature = sign(
        subject=found,
        content=proposal_content(found, disposition, justification),
        meaning=Meaning.AUTHORED,
        actor=actor,
        credentials=credentials,
    )
    found.disposition, found.justification = disposition, justification.strip()
    found.proposed_by, found.proposal = signature.person, signature
    found.save(update_fields=["disposition", "justification", "proposed_by", "proposal"])
    publish(
        found,
        DispositionProposed(
            nonconformance_id=found.pk,
            device_id=found.device_id,
            disposition=disposition,
            justification=found.justification,
            signature_id=signature.pk,
        ),
        actor=actor,
    )
    return found


@unit_of_work
def return_proposal(*, nonconformance_id: int, reason: str, actor: Actor) -> Nonconformance:
    """Quality does not carry a proposal out: the nonconformance is evaluated again, and can be voided or proposed anew.

    The proposal, its signature and the reason stay in the log; who proposed it still decides nothing about it alone.
    """
    found = _locked(nonconformance_id)
    require(actor, "quality.move_nonconformance", found)
    NONCONFORMANCE.row("return_proposal", found.stage)
    if not reason.strip():
        raise InvalidInput("Say why the proposal is returned.", cure="Write the reason.", rule="P11-10e")
    returned = DispositionReturned(
        nonconformance_id=found.pk,
        device_id=found.device_id,
        disposition=found.disposition,
        justification=found.justification,
        proposal_id=found.proposal_id,
    )
    found.disposition, found.justification, found.proposal = Disposition.NONE, "", None
    found.save(update_fields=["disposition", "justification", "proposal"])
    _move(found, NonconformanceStage.UNDER_EVALUATION, actor)
    publish(found, returned, actor=actor, reason=reason.strip())
    return found


@unit_of_work
def dispose_nonconformance(
    *, nonconformance_id: int, actor: Actor, credentials: Credentials
) -> Nonconformance:
    """A second person approves the proposed disposition by signature; it is carried out at once and the file closes."""
    device = locked_device(nonconformance_device(nonconformance_id))
    found = _locked(nonconformance_id)
    require(actor, "quality.dispose_nonconformance", found)
    NONCONFORMANCE.row("approve_disposition", found.stage)
    require_carried(
        found,
        "proposal",
        text=f"The proposal of {found.code} was withdrawn: two people decide.",
        cure="Return the proposal; then somebody proposes anew.",
    )
    signature = sign(
        subject=found,
        content=disposition_content(found),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    found.approved_by, found.approval = signature.person, signature
    found.save(update_fields=["approved_by", "approval"])
    _move(found, NonconformanceStage.DISPOSITION_APPROVED, actor)
    _move(found, NonconformanceStage.EXECUTING, actor)
    scrap_as_disposed(device, found, actor, credentials)
    _move(found, NonconformanceStage.VERIFYING, actor)
    _move(found, NonconformanceStage.CLOSED, actor)
    publish(
        found,
        NonconformanceDisposed(
            nonconformance_id=found.pk,
            device_id=found.device_id,
            disposition=found.disposition,
            signature_id=signature.pk,
        ),
        actor=actor,
    )
    return found


@unit_of_work
def void_nonconformance(
    *, nonconformance_id: int, justification: str, actor: Actor, credentials: Credentials
) -> Nonconformance:
    """Quality signs that a nonconformance was opened in error; the device goes on where nothing else holds it."""
    device = locked_device(nonconformance_device(nonconformance_id))
    found = _locked(nonconformance_id)
    require(actor, "quality.void_nonconformance", found)
    if not justification.strip():
        raise InvalidInput("Say why this was no nonconformance.", cure="Write the reason.", rule="P11-10e")
    _refuse_final_void(device, found)
    signature = sign(
        subject=found,
        content=void_content(found, justification),
        meaning=Meaning.APPROVED,
        actor=actor,
        credentials=credentials,
    )
    found.justification = justification.strip()
    found.approved_by, found.approval = signature.person, signature
    found.save(update_fields=["justification", "approved_by", "approval"])
    _move(found, NonconformanceStage.VOID, actor)
    publish(
        found,
        NonconformanceVoided(
            nonconformance_id=found.pk,
            device_id=found.device_id,
            justification=found.justification,
            signature_id=signature.pk,
        ),
        actor=actor,
    )
    lift_holds(
        device_id=device.pk,
        source=hold_source(found),
        actor=actor,
        reason=f"{found.code} is void: {found.justification}",
    )
    return found


@lasting("quality.nonconformance")
def _decided(signature: Signature) -> Reason | None:
    """What was scrapped stays scrapped, and what was found void has let its device go on."""
    if not Nonconformance.objects.filter(pk=signature.subject_id, stage__in=ENDED_STAGES).exists():
        return None
    return Reason("The nonconformance was closed on this signature.", "Open a new nonconformance.", "ES-18")


def proposal_content(found: Nonconformance, disposition: Disposition, justification: str) -> dict[str, Any]:
    """What the owner of a nonconformance signs (ES-19): the finding, and what should happen to the device."""
    return {
        "record": "nonconformance",
        "nonconformance": found.code,
        "device_id": found.device_id,
        "requirement": found.requirement,
        "description": found.description,
        "severity": found.severity,
        "evidence": found.evidence,
        **({"units": found.units} if found.units else {}),
        "disposition": str(disposition),
        "justification": justification.strip(),
    }


def disposition_content(found: Nonconformance) -> dict[str, Any]:
    """What the second person signs: the proposal as it stands."""
    return proposal_content(found, Disposition(found.disposition), found.justification)


def void_content(found: Nonconformance, justification: str) -> dict[str, Any]:
    """What quality signs to void: the finding, and why it was none."""
    return proposal_content(found, Disposition.NONE, justification) | {"void": True}


def nonconformance_device(nonconformance_id: int) -> int:
    """The device of a nonconformance, read before any lock so that the device is locked first."""
    device_id = (
        Nonconformance.objects.filter(pk=nonconformance_id).values_list("device_id", flat=True).first()
    )
    if device_id is None:
        raise InvalidInput("There is no such nonconformance.", cure="Look at the list again.")
    return device_id


def _locked(nonconformance_id: int) -> Nonconformance:
    found = Nonconformance.objects.select_for_update().filter(pk=nonconformance_id).first()
    if found is None:
        raise InvalidInput("There is no such nonconformance.", cure="Look at the list again.")
    return found


def _refuse_final_void(device: Device, found: Nonconformance) -> None:
    NONCONFORMANCE.row("void", found.stage)
    if device.stage == Stage.NONCONFORMING:
        raise TransitionRefused(
            f"{device.code} is nonconforming; voiding would leave it without a disposition.",
            cure="Propose a disposition for the device.",
            rule=RULE,
        )


def _proposable(found: Nonconformance) -> NonconformanceStage:
    if found.stage not in PROPOSAL_PATH[:-1]:
        NONCONFORMANCE.row("propose_disposition", found.stage)
    return NonconformanceStage(found.stage)


def _move(found: Nonconformance, target: NonconformanceStage, actor: Actor) -> None:
    source = found.stage
    found.stage = target
    found.save(update_fields=["stage"])
    publish(
        found,
        NonconformanceStageChanged(
            nonconformance_id=found.pk, device_id=found.device_id, source=source, target=target
        ),
        actor=actor,
    )


def _refuse_units(device: Device, units: Sequence[int]) -> None:
    """A finding about units names some of a lot that are not given up (K-08)."""
    if not units:
        return
    states = unit_states(device) if device.is_lot else {}
    wrong = [unit for unit in units if states.get(unit) not in (OPEN, ACCEPTED)]
    if wrong:
        raise InvalidInput(
            f"{device.code} has no such units any more: {', '.join(map(str, wrong))}.",
            cure="Name units of a lot that are left, or none for the whole device.",
            rule="K-08",
        )
