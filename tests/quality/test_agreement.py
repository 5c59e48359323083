"""What is changed in the tables behind the log's back keeps the release shut (G-INT-01)."""

from __future__ import annotations

import pytest

from mes.choices import Role
from quality.reports.agreement import disagreements
from quality.services.release import release_checklist, shown_record
from tests.mes.logins import tamper
from tests.quality.makers import Staff, acting
from tests.quality.test_release import refused, reviewed
from tests.servers import Cluster

HARMS = (
    ("UPDATE quality_post_process_step SET values = '[]' WHERE step = 'wash'", "Wash #1 differs", "values"),
    ("UPDATE quality_post_process_step SET started_at = '1990-01-01' WHERE step = 'cure'", "Cure #1", "started"),
    ("UPDATE quality_measurement SET figures = '{}', passed = false", "the measurement of", "figures, passed"),
    ("UPDATE quality_inspection SET received_by_id = NULL", "inspection 1 differs", "person"),
    (
        "UPDATE quality_verdict SET decided_by_id = (SELECT max(id) FROM mes_person)",
        "the decision on inspection 1",
        "another person",
    ),
    ("UPDATE quality_record_review SET findings = 'none'", "the review of the record", "findings"),
    ("UPDATE printing_consumption SET quantity = 1", "the material that job", "container"),
    ("UPDATE printing_build_item SET transform = '[[2]]'", "on the plate of", "its digest"),
    ("UPDATE mes_signature SET printed_name = 'Nobody' WHERE meaning = 'reviewed'", "ALTERED", "signature"),
    (
        "UPDATE mes_signature SET signed_at = signed_at - interval '1 day' WHERE meaning = 'verified'",
        "the time of signature",
        "changed",
    ),
    ("UPDATE mes_signature SET content = '{}' WHERE meaning = 'approved'", "the content, the binding or the seal", "changed"),
    (
        "UPDATE mes_signature SET person_id = (SELECT max(id) FROM mes_person) WHERE meaning = 'performed'",
        "the person of signature",
        "changed",
    ),
)  # fmt: skip


@pytest.mark.requirement("G-INT-01")
@pytest.mark.django_db(transaction=True)
def test_rows_altered_behind_the_log_keep_the_release_shut(staff: Staff, cluster: Cluster) -> None:
    device = reviewed(staff)
    assert disagreements(device) == []
    tamper(cluster, "UPDATE quality_measurement SET figures = '{}'")
    assert "the measurement of inspection 1" in refused(staff, device, "G-INT-01")
    assert b'"Mean deviation"' in shown_record(device)
    tamper(cluster, *(statement for statement, *_ in HARMS))
    found = "; ".join(disagreements(device))
    assert [words for _, *words in HARMS if not all(word in found for word in words)] == []
    results = release_checklist(device, acting(staff[Role.QAX]))
    told = [result for result in results if result.gate == "G-INT-01" and not result.passed]
    assert told
    assert all("could not be asked" not in result.reason for result in told)
