"""What was signed by hand on paper about a record: whose name, the digest of the scan, and who found it a true copy (ES-20,
21 CFR 11.10(b), 11.50(b))."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mes.models import EventRecord, HandwrittenSignature

UPLOADED, VERIFIED = "mes.handwritten_uploaded", "mes.handwritten_verified"


def paper_blocks(events: Iterable[EventRecord]) -> list[dict[str, Any]]:
    """Every paper that the events tell of, oldest first; verified where one of them says so."""
    told = [(event, json.loads(event.payload)) for event in events if event.type in (UPLOADED, VERIFIED)]
    verified = {payload["handwritten_id"]: event for event, payload in told if event.type == VERIFIED}
    keys = [payload["handwritten_id"] for event, payload in told if event.type == UPLOADED]
    rows = HandwrittenSignature.objects.filter(pk__in=keys).select_related("uploaded_by", "verification")
    return [_block(row, verified.get(row.pk)) for row in rows.order_by("pk")]


def _block(row: HandwrittenSignature, verified: EventRecord | None) -> dict[str, Any]:
    seen = row.verification if verified else None
    return {
        "id": row.pk,
        "subject": f"{row.subject_type}/{row.subject_id}",
        "printed_name": row.printed_name,
        "meaning": row.meaning,
        "executed_on": row.executed_on,
        "scan": row.scan_id,
        "uploaded_by": str(row.uploaded_by),
        "uploaded_at": row.uploaded_at,
        "verified_by": seen.printed_name if seen else None,
        "verified_at": seen.signed_at if seen else None,
        "verification": seen.pk if seen else None,
    }
