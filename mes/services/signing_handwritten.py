"""Papers signed by hand: the scan, and a second person who has seen that it is a true copy (ES-20)."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Model
from django.utils import timezone

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import compare_words, publish, unit_of_work
from mes.events import HandwrittenUploaded, HandwrittenVerified
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.locking import locked_row
from mes.models import HandwrittenSignature
from mes.permissions import require
from mes.selectors import stream_of
from mes.services.artefacts import require_intact, store_artefact
from mes.services.papers import kind_of_scan
from mes.services.signatures import Credentials, sign
from mes.standing import carries

EARLIEST_PAPER = date(1990, 1, 1)
"""Before, nothing was made that a record here could be about: a year typed wrong."""
SELDOM = frozenset({Meaning.WITHDRAWN, Meaning.ACCEPTED})


@unit_of_work
def upload_handwritten(
    *, subject: Model, printed_name: str, meaning: Meaning, executed_on: date, scan: bytes, actor: Actor
) -> HandwrittenSignature:
    """Bring the scan of a signed paper to a record. It stands for nothing until somebody else verifies it.

    Raises InvalidInput for anything but a readable PDF, PNG or JPEG of at most 20 MiB, with a name and a day that can be. What is
    refused is not stored: it may name anybody, and no record would ever have it destroyed.
    """
    require(actor, "mes.upload_handwritten")
    if not printed_name.strip() or meaning in SELDOM:
        raise InvalidInput("Name who signed the paper, and what the signature means.", rule="ES-20")
    if not EARLIEST_PAPER <= executed_on <= timezone.localdate():
        raise InvalidInput(
            f"The paper was signed between {EARLIEST_PAPER.year} and today.",
            cure="Read the date on the paper again.",
            rule="ES-20",
        )
    media_type = kind_of_scan(scan, rule="ES-20")
    compare_words()
    kind, key = stream_of(subject)
    assert actor.person_id is not None, "only people upload"  # noqa: S101 - for the type; required above
    row = HandwrittenSignature.objects.create(
        subject_type=kind,
        subject_id=key,
        printed_name=printed_name.strip()[:310],
        meaning=meaning,
        executed_on=executed_on,
        scan=store_artefact(scan, media_type=media_type),
        uploaded_by_id=actor.person_id,
        uploaded_at=timezone.now(),
    )
    publish(row, HandwrittenUploaded(handwritten_id=row.pk, sha256=row.scan_id), actor=actor)
    return row


def true_copy_content(row: HandwrittenSignature) -> dict[str, Any]:
    """What the second person signs."""
    return {
        "record": "handwritten signature",
        "statement": "The scan is a true copy of the paper that was signed by hand.",
        "of": f"{row.subject_type}/{row.subject_id}",
        "signed_by": row.printed_name,
        "meaning": row.meaning,
        "executed_on": row.executed_on,
        "scan": row.scan_id,
    }


@unit_of_work
def verify_handwritten(
    *, handwritten_id: int, actor: Actor, credentials: Credentials
) -> HandwrittenSignature:
    """Sign that the scan is a true copy. Not by who uploaded it."""
    require(actor, "mes.verify_handwritten")
    row = locked_row(HandwrittenSignature.objects.select_related("scan"), handwritten_id)
    if row is None or carries(row, "verification"):
        raise Conflict("There is no such scan, or it was verified already.", cure="Look at the list again.")
    if row.uploaded_by_id == actor.person_id:
        raise NotPermitted(
            "Who uploaded the scan does not verify it.", cure="Ask a second person.", rule="ES-20"
        )
    require_intact(row.scan)
    row.verification = sign(
        subject=row,
        content=true_copy_content(row),
        meaning=Meaning.VERIFIED,
        actor=actor,
        credentials=credentials,
    )
    row.save(update_fields=["verification"])
    told = HandwrittenVerified(handwritten_id=row.pk, signature_id=row.verification.pk)
    publish(row, told, actor=actor)
    return row
