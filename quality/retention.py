"""How long what quality writes is kept: with the device that it is about (R-AUD, 21 CFR 11.10(e))."""

from __future__ import annotations

from collections.abc import Iterator

from devices.retention import device_facts, order_tags
from mes.retention import Facts, Tag, kept_with, reached_by, retained, retained_for_good
from quality.models import Nonconformance

for _table in ("inspection", "post_process_step", "record_review", "release_decision", "report"):
    kept_with("devices.device", f"quality_{_table}", by="device_id")
retained_for_good("quality.export", "R-AUD", because="it shows who took which record out of the house")
kept_with("quality.export", "quality_exported_record", by="export_id")
retained_for_good("quality.gauge", "R-AUD", because="measurements of every device rest on it")
kept_with("quality.gauge", "quality_calibration", by="gauge_id")
for _table in ("measurement", "verdict"):
    kept_with("devices.device", f"quality_{_table}", by="inspection__device_id")


@retained("quality.nonconformance", "R-AUD", "R-13485")
def _nonconformance_facts(found: Nonconformance) -> Facts:
    return device_facts(found.device)


@reached_by("quality.nonconformances", "quality.nonconformance")
def _nonconformance_tags(found: Nonconformance) -> Iterator[Tag]:
    yield from order_tags(found.device.order)
