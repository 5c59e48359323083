"""What a made device stands on from post-processing to its release: every signature stands at every step after it (G-SIG-01)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.models import Device
from mes.foundations import Foundation, standing_on
from mes.lifecycle import Verdict, gate
from quality.reports.units import passed_inspections
from quality.selectors.making import latest_steps

STEPS = (
    "device.pass_inspection",
    "device.label",
    "device.complete_record",
    "device.review",
    "device.release",
    "device.ship",
)


@gate("G-SIG-01", *STEPS)
def making_stands(device: Device, **_: Any) -> Verdict:
    """The steps of post-processing, the inspections and the review all stand."""
    return standing_on(
        foundations_of_making(device), cure="Open a nonconformance, which decides what becomes of the part."
    )


def foundations_of_making(device: Device) -> Iterator[Foundation]:
    """What was signed since the print, so far: of what was repeated, the last."""
    for row in latest_steps(device).values():
        yield Foundation(f"post-processing: {row.title}", row.signature_id)
    for inspection in passed_inspections(device):
        yield Foundation(f"inspection {inspection.number}", inspection.verdict.signature_id)
    if review := device.record_reviews.order_by("pk").last():
        yield Foundation("review of the record", review.signature_id)
