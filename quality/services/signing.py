"""Which signatures of this package stand for one decision alone (ES-05)."""

from __future__ import annotations

from mes.services.signing_policy import DECIDED_ALONE

DECIDED_ALONE.add("quality.nonconformance", "the disposition of a nonconformance")
