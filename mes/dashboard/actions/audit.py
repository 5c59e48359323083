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
    findings, ticks = str(values.get("findings") or ""), bool(values.get("ticks"))
    return review_content(actor.person_id, _size(values), findings, ticks=ticks)


def _review(doing: Doing) -> str:
    review = review_audit_trail(
        tree_size=_size(doing.values),
        ticks=bool(doing.values.get("ticks")),
        findings=str(doing.values.get("findings") or ""),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    return (
        f"You reviewed the trail up to leaf {review.tree_size - 1}. What comes now is shown here next time."
    )


AUDIT_ACTIONS = (
    Action(
        id="review-audit-trail",
        page="audit-review",
        verb="Sign the review",
        title="Review of the audit trail",
        permission="mes.review_audit_trail",
        icon="writing-sign",
        applies=lambda _: True,
        help="You sign that you read every event that the page lists without a filter. The content below counts them, and "
        "those of the clock that it leaves out.",
        fields=lambda _: (
            Field("tree_size", "Up to leaf", "carried"),
            Field("ticks", "With the clock's own", "carried", required=False),
            FINDINGS,
        ),
        meaning=Meaning.REVIEWED,
        content=_content,
        do=_review,
        main=True,
    ),
)
