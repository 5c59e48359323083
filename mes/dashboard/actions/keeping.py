"""What people do to keep, hold and dispose of records (K-15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mes.choices import DisposalStage, HoldStage, Meaning
from mes.dashboard.actions.base import Action, Doing, Done, Field, Values, why
from mes.eventlog.base import Actor
from mes.models import Disposal, LegalHold
from mes.services.disposals import (
    approve_disposal,
    certificate_of,
    propose_disposal,
    reasons_to_keep,
    signed_certificate,
    withdraw_disposal,
)
from mes.services.holds import (
    may_propose,
    place_hold,
    propose_release,
    refuse_release,
    release_content,
    release_hold,
)
from mes.services.safekeeping import confirm_drill, drill_content
from mes.standing import carries

DISPOSABLE = ("order", "device", "build", "lot")
WHOLE_PATIENT = "patient"


def _hold_fields(subject: Any) -> tuple[Field, ...]:
    reach: tuple[Field, ...] = ()
    if subject is None:
        reach = (Field("since", "First day", "date"), Field("until", "Last day", "date"))
    elif hasattr(subject, "patient_id"):
        choices = (("order", "this order"), (WHOLE_PATIENT, "everything of its patient"))
        reach = (Field("reach", "What is held", "select", choices=choices),)
    return (
        *reach,
        why(),
        Field(
            "requester",
            "Who asked for it",
            maximum=120,
            hint="An authority, counsel, quality. No patient's name.",
        ),
        Field("notified", "Who was told", required=False, maximum=500),
        Field("review_on", "Look at it again on", "date"),
    )


def _place(doing: Doing) -> Done:
    typed, subject = doing.values, doing.subject
    hold = place_hold(
        subject=subject.patient if typed.get("reach") == WHOLE_PATIENT else subject,
        reason=doing.reason,
        requester=str(typed["requester"]),
        notified=str(typed["notified"]),
        review_on=typed["review_on"],
        since=typed.get("since"),
        until=typed.get("until"),
        actor=doing.actor,
    )
    return Done(f"{hold.code} holds. Nothing that it reaches is destroyed or erased.", "hold", hold.code)


def _propose_release(doing: Doing) -> str:
    propose_release(
        hold_id=doing.subject.pk, reason=doing.reason, actor=doing.actor, credentials=doing.credentials
    )
    return "Proposed. The hold stays until a quality reviewer has signed too."


def _release(doing: Doing) -> str:
    release_hold(hold_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The hold has ended."


def _refuse_release(doing: Doing) -> str:
    refuse_release(hold_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return "The hold stays."


def _release_signs(hold: LegalHold, values: Values, _: Actor) -> Mapping[str, Any]:
    return release_content(hold, str(values.get("reason", "") or hold.release_reason))


def _propose_disposal(doing: Doing) -> Done:
    disposal = propose_disposal(
        row=doing.subject, reason=doing.reason, actor=doing.actor, credentials=doing.credentials
    )
    return Done(f"{disposal.code} is proposed. A quality reviewer decides.", "disposal", disposal.code)


def _approve_disposal(doing: Doing) -> str:
    approve_disposal(disposal_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return f"Approved. The machine's owner carries it out: manage.py dispose {doing.subject.code}"


def _withdraw(doing: Doing) -> str:
    withdraw_disposal(disposal_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return "Withdrawn. Nothing is destroyed."


def _confirm_drill(doing: Doing) -> str:
    confirm_drill(drill_id=doing.subject.pk, actor=doing.actor, credentials=doing.credentials)
    return "The drill is confirmed."


def _hold_at(*stages: HoldStage) -> Callable[[LegalHold], bool]:
    return lambda hold: hold.stage in stages


def _disposal_at(*stages: DisposalStage) -> Callable[[Disposal], bool]:
    return lambda disposal: disposal.stage in stages


def _because(_: Any) -> tuple[Field, ...]:
    return (why(),)


KEEPING_ACTIONS = (
    *(
        Action(
            f"place-hold-{page}", page, "Legal hold", "Place a legal hold", "mes.place_hold", "lock",
            lambda _: True, _place, fields=_hold_fields,
            help="Nothing that it reaches is destroyed or erased until two people release it.",
        )
        for page in ("order", "lot", "retention")
    ),
    Action(
        "propose-hold-release", "hold", "Propose its end", "Propose the end of this hold", "mes.propose_hold_release",
        "lock-open", may_propose, _propose_release, fields=_because, meaning=Meaning.AUTHORED,
        content=_release_signs, main=True,
    ),
    Action(
        "release-hold", "hold", "End the hold", "End this hold", "mes.release_hold", "lock-open",
        _hold_at(HoldStage.RELEASE_PROPOSED), _release, meaning=Meaning.APPROVED, content=_release_signs, main=True,
    ),
    Action(
        "refuse-hold-release", "hold", "Keep the hold", "Keep this hold", "mes.release_hold", "lock",
        _hold_at(HoldStage.RELEASE_PROPOSED), _refuse_release, fields=_because,
    ),
    *(
        Action(
            f"propose-disposal-{page}", page, "Dispose of the files", "Propose to destroy its files", "mes.propose_disposal",
            "trash-x", lambda row: not reasons_to_keep(row), _propose_disposal, fields=_because, meaning=Meaning.AUTHORED,
            content=lambda row, values, _: certificate_of(row, str(values.get("reason", ""))), danger=True,
            help="What you sign is the certificate of destruction: every id and digest in it stays for good.",
        )
        for page in DISPOSABLE
    ),
    Action(
        "approve-disposal", "disposal", "Approve", "Approve this destruction", "mes.approve_disposal", "trash-x",
        _disposal_at(DisposalStage.PROPOSED), _approve_disposal, meaning=Meaning.APPROVED,
        content=lambda disposal, _, __: signed_certificate(disposal), danger=True,
    ),
    Action(
        "withdraw-disposal", "disposal", "Stop", "Stop this disposal", "mes.stop_disposal", "x",
        _disposal_at(DisposalStage.PROPOSED, DisposalStage.APPROVED), _withdraw, fields=_because,
    ),
    Action(
        "confirm-drill", "drill", "Confirm", "Confirm what this drill showed", "mes.confirm_drill", "writing-sign",
        lambda drill: not carries(drill, "confirmation"), _confirm_drill, meaning=Meaning.VERIFIED,
        content=lambda drill, _, __: drill_content(drill), main=True,
        help="Whether it went well or not: what you sign is that you looked at it, and that something follows.",
    ),
)  # fmt: skip
