"""Studies that came in by themselves. Nothing here writes."""

from __future__ import annotations

from django.db.models import QuerySet

from devices.choices import ArrivalStage
from devices.models import Arrival


def arrivals() -> QuerySet[Arrival]:
    """The newest first, with what a list shows of each."""
    return Arrival.objects.select_related("peer", "sender", "device__order", "study").order_by("-pk")


def arrivals_waiting() -> QuerySet[Arrival]:
    return arrivals().filter(stage=ArrivalStage.WAITING)
