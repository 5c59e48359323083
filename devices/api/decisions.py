"""How long designs wait for the people who decide on them, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from devices.selectors.latency import Latency, decided_waits, open_waits
from mes.api.actors import viewer_behind
from mes.api.base import Acting
from mes.permissions import require


class DecisionsView(Acting):
    """What waits for a review or an approval, and how long each person took; of the orders that who asks may know."""

    permits: ClassVar[Mapping[str, str]] = {"get": "devices.read_latency"}

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        require(self.actor, "devices.read_latency")
        viewer = viewer_behind(request)
        waiting = [
            {
                "device": one.device.code,
                "step": one.step,
                "awaits": one.awaits,
                "since": one.since,
                "overdue": one.overdue,
            }
            for one in open_waits(viewer)
        ]
        return Response({"waiting": waiting, "decided": [self._row(row) for row in decided_waits(viewer)]})

    @staticmethod
    def _row(row: Latency) -> dict[str, Any]:
        return {
            "person": row.person,
            "step": row.step,
            "decided": row.decided,
            "sent_back": row.sent_back,
            "median_s": row.median_s,
            "longest_s": row.longest_s,
        }
