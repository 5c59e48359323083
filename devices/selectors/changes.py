"""Changes that were asked of a device's designs. Nothing here writes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from devices.models import ChangeRequest, Design, Device


def changes_asked(device: Device) -> QuerySet[ChangeRequest]:
    """Every request for changes of a device's designs, the newest first."""
    return device.change_requests.select_related("design", "asked_by").order_by("-design__revision")


def changes_before(design: Design) -> list[dict[str, Any]]:
    """What was asked of the revisions before a design, the newest first: what it has to answer, and its approver is shown."""
    asked = ChangeRequest.objects.filter(
        device=design.device_id, design__revision__lt=design.revision
    ).select_related("design")
    return [
        {
            "revision": one.design.revision,
            "mesh": one.design.mesh_id,
            "asked_by": one.asked_by_id,
            "comment": one.comment,
            "places": one.places,
        }
        for one in asked.order_by("-design__revision")
    ]
