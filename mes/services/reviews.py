"""Reviewing the audit trail: what came since the own last review, read and signed (21 CFR 11.10(e))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.subscriptions import SlotDue
from mes.eventlog.unit import publish, unit_of_work
from mes.events import AuditTrailReviewed
from mes.exceptions import Conflict, NotPermitted
from mes.models import AuditReview, Leaf, Person, Seal
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.standing import not_withdrawn


@dataclass(frozen=True)
class Span:
    """The leaves from `first_leaf` up to the seal of `tree_size`; `root` says what they are, and all before them."""

    first_leaf: int
    tree_size: int
    root: str

    @property
    def events(self) -> int:
        return self.tree_size - self.first_leaf

    def ticks(self) -> int:
        """How many of them say that a job of the clock was due: a list leaves them out unless they are asked for."""
        leaves = Leaf.objects.filter(index__gte=self.first_leaf, index__lt=self.tree_size)
        return leaves.filter(event__type=SlotDue.name).count()


def unreviewed(person_id: int | None, tree_size: int | None = None) -> Span:
    """What a person has not reviewed yet, up to the newest seal, or to that of `tree_size`. Empty where nothing came.

    Raises Conflict where there is no such seal.
    """
    first = _reviewed_until(person_id)
    seals = Seal.objects.order_by("-tree_size")
    seal = (seals.filter(tree_size=tree_size) if tree_size is not None else seals).first()
    if seal is None and tree_size is not None:
        raise Conflict("There is no such seal.", cure="Open the review again.", rule="P11-10e")
    return Span(first, seal.tree_size, seal.root) if seal else Span(first, first, "")


def _reviewed_until(person_id: int | None) -> int:
    """Up to which leaf a person has read everything: a review whose signature was withdrawn leaves its events unread."""
    until = 0
    rows = AuditReview.objects.filter(reviewer=person_id).order_by("first_leaf")
    for row in not_withdrawn(rows, "signature"):
        if row.first_leaf > until:
            break
        until = max(until, row.tree_size)
    return until


def review_content(
    person_id: int | None, tree_size: int | None, findings: str, *, ticks: bool = False
) -> dict[str, Any]:
    """What a reviewer signs: how many events were listed to be read, without any filter, and how many of the clock's own
    were not (unless `ticks`). Raises Conflict where nothing came since the last review."""
    span = unreviewed(person_id, tree_size)
    if span.events <= 0:
        raise Conflict(
            "Nothing was sealed since your last review.", cure="Look again in a while.", rule="P11-10e"
        )
    left_out = 0 if ticks else span.ticks()
    return {
        "record": "audit trail review",
        "events": span.events - left_out,
        "clock_events_not_listed": left_out,
        "first_leaf": span.first_leaf,
        "tree_size": span.tree_size,
        "root": span.root,
        "findings": findings.strip(),
    }


@unit_of_work
def review_audit_trail(
    *, tree_size: int, findings: str, actor: Actor, credentials: Credentials, ticks: bool = False
) -> AuditReview:
    """Sign that everything since the own last review, up to the seal of `tree_size`, was read; the clock's own events too
    with `ticks`. For those who may read every event there is."""
    require(actor, "mes.review_audit_trail")
    if actor.person_id is None:
        raise NotPermitted("A program reviews nothing.", cure="Sign in and review.", rule="P11-10e")
    # Of two reviews by one person at the same time, the second starts where the first ends.
    Person.objects.select_for_update().get(pk=actor.person_id)
    content = review_content(actor.person_id, tree_size, findings, ticks=ticks)
    covered = {name: content[name] for name in ("first_leaf", "tree_size", "root", "findings")}
    review = AuditReview.objects.create(reviewer_id=actor.person_id, **covered)
    review.signature = sign(
        subject=review, content=content, meaning=Meaning.REVIEWED, actor=actor, credentials=credentials
    )
    review.save(update_fields=["signature"])
    publish(
        review,
        AuditTrailReviewed(review_id=review.pk, signature_id=review.signature.pk, **covered),
        actor=actor,
    )
    return review
