"""What people do about accesses in an emergency and requests for erasure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mes.choices import EmergencyStage, ErasureStage, Meaning, Role
from mes.dashboard.actions.base import STAYS, Action, Doing, Field, Values, why
from mes.eventlog.base import Actor
from mes.models import EmergencyAccess, ErasureRequest
from mes.services.emergency import (
    end_emergency_access,
    manager_to_review,
    review_content,
    review_emergency_access,
    still_needed,
)
from mes.services.erasure import APPROVALS, approve_erasure, decision_content, refuse_erasure

YES, NO = "yes", "no"


def _end(doing: Doing) -> str:
    end_emergency_access(access_id=doing.subject.pk, actor=doing.actor)
    return "The access is over. Its review waits for the privacy officer."


def _review_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field("justified", "Was it an emergency?", "select", choices=[(YES, "Yes, justified"), (NO, "No")]),
        Field("finding", "What did you find?", "area", hint=STAYS),
    )


def _reviewed(access: EmergencyAccess, values: Values, _: Actor) -> Mapping[str, Any]:
    return review_content(access, str(values.get("finding", "")), justified=values.get("justified") == YES)


def _review(doing: Doing) -> str:
    access = review_emergency_access(
        access_id=doing.subject.pk,
        justified=doing.values["justified"] == YES,
        finding=doing.values["finding"],
        actor=doing.actor,
        credentials=doing.credentials,
    )
    if access.stage == EmergencyStage.REVIEWED:
        return "Reviewed."
    return f"Your review is signed; {still_needed(access)} has to review it too."


def _review_action(id: str, title: str, permission: str, due: Callable[[EmergencyAccess], bool]) -> Action:
    return Action(
        id, "emergency", "Review", title, permission, "writing-sign",
        lambda access: access.stage == EmergencyStage.ENDED and due(access),
        _review, fields=_review_fields, meaning=Meaning.REVIEWED, content=_reviewed, main=True,
    )  # fmt: skip


def _approve_as(role: Role) -> Callable[[Doing], str]:
    def approve(doing: Doing) -> str:
        request = approve_erasure(
            request_id=doing.subject.pk, role=role, actor=doing.actor, credentials=doing.credentials
        )
        if request.stage == ErasureStage.ERASED:
            return "The identity is erased. Its keys are destroyed next."
        return "Approved; the second person's approval is still needed."

    return approve


def _refuse_as(role: Role) -> Callable[[Doing], str]:
    def refuse(doing: Doing) -> str:
        refuse_erasure(
            request_id=doing.subject.pk,
            role=role,
            reason=doing.reason,
            actor=doing.actor,
            credentials=doing.credentials,
        )
        return "The request is refused. Tell the person who asked why."

    return refuse


def _approved_as(role: Role) -> Callable[[ErasureRequest, Values, Actor], Mapping[str, Any]]:
    return lambda request, values, actor: decision_content(request, role, "approve")


def _refused_as(role: Role) -> Callable[[ErasureRequest, Values, Actor], Mapping[str, Any]]:
    return lambda request, values, actor: decision_content(
        request, role, "refuse", str(values.get("reason", ""))
    )


def _open_for(role: Role) -> Callable[[ErasureRequest], bool]:
    return lambda request: (
        request.stage == ErasureStage.REQUESTED and not getattr(request, f"{APPROVALS[role]}_id")
    )


def _reason(_: Any) -> tuple[Field, ...]:
    return (why("Why is it refused?", hint="The person who asked is told."),)


PRIVACY_ACTIONS = (
    Action(
        "end-emergency", "emergency", "End it now", "End this access now", "mes.end_emergency", "hand-stop",
        lambda access: access.stage == EmergencyStage.OPEN, _end,
    ),
    _review_action(
        "review-emergency", "Review this access as privacy officer", "mes.review_emergency",
        lambda access: not access.officer_review_id or (bool(access.manager_id) and manager_to_review(access) is None),
    ),
    _review_action(
        "review-emergency-manager", "Review this access as the person's manager", "mes.review_as_manager",
        lambda access: bool(access.manager_id) and not access.manager_review_id,
    ),
    *(
        Action(
            f"approve-erasure-{role.value.lower()}", "erasure", f"Erase, as {str(role.label).lower()}",
            f"Agree to erase this identity, as {str(role.label).lower()}", f"mes.decide_erasure:{role.value}",
            "writing-sign", _open_for(role), _approve_as(role), meaning=Meaning.APPROVED, content=_approved_as(role),
            danger=True, help="The second approval erases for good: the token stays, the name cannot be brought back.",
        )
        for role in APPROVALS
    ),
    *(
        Action(
            f"refuse-erasure-{role.value.lower()}", "erasure", f"Refuse, as {str(role.label).lower()}",
            f"Refuse this request, as {str(role.label).lower()}", f"mes.decide_erasure:{role.value}", "circle-x",
            lambda request: request.stage == ErasureStage.REQUESTED, _refuse_as(role), fields=_reason,
            meaning=Meaning.REJECTED, content=_refused_as(role),
        )
        for role in APPROVALS
    ),
)  # fmt: skip
