"""What people do with the audit trail: read it, and sign that they did."""

from __future__ import annotations

from typing import Any

from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Field, Values
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput
from mes.services.reviews import review_audit_trail, review_content

FINDINGS = Field(
    "findings", "Findings", "area", required=False, hint="What you noticed, or nothing.", maximum=4000
)


def _size(values: Values) -> int:
    text = str(values.get("tree_size") or "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput("Open the review from its page.", cure="Open the audit trail again.")
    return int(text)


def _content(_: Any, values: Values, actor: Actor) -> dict[str, Any]:
    return review_content(actor.person_id, _size(values), str(values.get("findings") or ""))


def _review(doing: Doing) -> str:
    review = review_audit_trail(
        tree_size=_size(doing.values),
        findings=str(doing.values.get("findings") or ""),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    events = review.tree_size - review.first_leaf
    return f"You reviewed {events} event{'' if events == 1 else 's'}. What comes now is shown here next time."


AUDIT_ACTIONS = (
    Action(
        id="review-audit-trail",
        page="audit-review",
        verb="Sign the review",
        title="Review of the audit trail",
        permission="mes.review_audit_trail",
        icon="writing-sign",
        applies=lambda _: True,
        fields=lambda _: (Field("tree_size", "Up to leaf", "carried"), FINDINGS),
        meaning=Meaning.REVIEWED,
        content=_content,
        do=_review,
        main=True,
    ),
)
