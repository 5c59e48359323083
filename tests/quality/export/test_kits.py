"""What the bundle of a device tells of the kit that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices.models import Device
from mes.choices import Role
from mes.models import EventRecord
from quality.services.bundle import bundle_of
from quality.services.kits import release_kit
from quality.services.release import complete_record
from quality.services.reports import render_production_record
from tests.quality.export.conftest import archive_of, seal
from tests.quality.export.test_verify_record import contents, findings
from tests.quality.makers import Staff, acting, leave_undrawn, typed
from tests.quality.test_kits import kit_of_two
from tests.quality.test_release import inspected, review, reviewed
from tests.servers import Cluster


@pytest.mark.slow
@pytest.mark.requirement("P11-10b", "G-REL-01")
def test_the_bundle_of_a_member_tells_of_its_kit_and_is_verified_by_itself(
    staff: Staff, cluster: Cluster, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_undrawn(monkeypatch)
    first = reviewed(staff)
    second = inspected(staff, beside=first)
    kit = kit_of_two(staff, first, second)
    assert complete_record(device_id=second.pk)
    for device in (first, second):
        review(staff, device)
    releaser = staff[Role.QAX]
    release_kit(kit_id=kit.pk, actor=acting(releaser), credentials=typed(releaser))
    fact = EventRecord.objects.filter(type="quality.device_released").latest("pos")
    render_production_record(first.pk, last_pos=fact.pos)()
    seal(cluster, tmp_path)
    archive = archive_of(bundle_of(Device.objects.get(pk=first.pk)))
    assert findings(archive) == []
    record = json.loads(contents(archive)["record.json"])
    told = [event["type"] for event in record["events"] if event["stream_type"] == "devices.kit"]
    assert told == [
        "devices.kit_made",
        "devices.kit_check_requested",
        "devices.kit_checked",
        "devices.kit_released",
    ]
    assert f"devices.kit/{kit.pk}" in {row["stream"] for row in record["rows"]}
    asked = {answer["title"] for answer in record["report"]["gates"]}
    assert "Designed on the same anatomy" in asked
