"""`forget` passes over every open delivery; `await` waits until there is none."""

from __future__ import annotations

import json
import sys
import time

import django

django.setup()

from mes.models import Delivery  # noqa: E402
from mes.models.eventlog import OPEN_STATUSES, DeliveryStatus  # noqa: E402

print("ready", flush=True)
for line in sys.stdin:
    still_open = Delivery.objects.filter(status__in=OPEN_STATUSES)
    if json.loads(line) == ["forget"]:
        still_open.update(status=DeliveryStatus.SKIPPED)
    while still_open.exists():
        time.sleep(0.05)
    print("empty", flush=True)
