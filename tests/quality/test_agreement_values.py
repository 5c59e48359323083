"""Each value of the rows below a device is compared with its event, and each row that is gone or was slipped in is named.

All values of a row are changed at once: what was left out of the comparison is missing from the sentence (G-INT-01).
"""

from __future__ import annotations

import pytest

from devices.choices import Stage
from mes.choices import Meaning, Role
from mes.exceptions import Reason
from mes.models import Person, Signature
from printing.models import PrintJob
from quality.models import Inspection, PostProcessStep
from quality.reports.agreement import disagreements
from quality.services.inspection import set_aside_inspection
from quality.services.measurement import record_refusal
from quality.services.scans import receive_scan
from tests.mes.logins import tamper
from tests.quality.makers import Staff, acting, make_built_device, make_measured, the_gauge, typed
from tests.quality.test_release import inspected, reviewed
from tests.servers import Cluster

pytestmark = [pytest.mark.requirement("G-INT-01"), pytest.mark.django_db(transaction=True)]

OTHER_SIGNATURE = "(SELECT max(id) + 1000 FROM mes_signature)"
OTHER_PERSON = "(SELECT max(id) + 1000 FROM mes_person)"
ANOTHER = f"signature_id = {OTHER_SIGNATURE}"
EVERY_VALUE = (
    "UPDATE quality_inspection SET number = 7, scan_id = (SELECT min(sha256) FROM mes_artefact WHERE sha256 <> scan_id), "
    "received_by_id = NULL, gauge_id = NULL, calibration_id = NULL, measured_on = '1990-01-01'",
    "UPDATE quality_measurement SET figures = '{}', limits = '{}', characteristics = '[]', passed = NOT passed, "
    "pose = '[]', nominal_id = NULL, deviation_map_id = NULL, picture_id = NULL, tool = '{}'",
    "UPDATE quality_record_review SET events = 1, last_pos = 1, trail_digest = repeat('0', 64), findings = 'none', "
    f"reviewed_by_id = {OTHER_PERSON}, {ANOTHER}",
)
DIFFERS = "differs from what was recorded: "


def test_every_value_of_a_row_is_compared(staff: Staff, cluster: Cluster) -> None:
    device = reviewed(staff)
    spare = Signature.objects.filter(meaning=Meaning.APPROVED).order_by("pk").last()
    other = Signature.objects.filter(meaning=Meaning.VERIFIED).order_by("pk").last()
    assert spare is not None
    assert other is not None
    tamper(
        cluster,
        *EVERY_VALUE,
        "UPDATE quality_post_process_step SET step = 'dry', position = 9, attempt = 8, values = '[]', "
        "in_limits = NOT in_limits, equipment = 'oven', started_at = '1990-01-01', ended_at = '1990-01-02', "
        f"performed_by_id = {staff[Role.RA].pk}, signature_id = {spare.pk} WHERE step = 'wash'",
        f"UPDATE quality_verdict SET decision = 'failed', decided_by_id = {staff[Role.RA].pk}, "
        f"signature_id = {other.pk}",
    )
    found = disagreements(device)
    assert set(found) >= {
        f"Wash #8 {DIFFERS}step, position, attempt, values, in limits, equipment, started at, ended at, "
        "signature id, person",
        f"the signature of Wash #8 {DIFFERS}step, attempt, values, equipment",
        "Wash #8 names another person than its signature",
        f"inspection 7 {DIFFERS}number, scan sha256, gauge id, calibration id, measured on, person",
        f"the measurement of inspection 7 {DIFFERS}figures, limits, characteristics, passed, pose, "
        "nominal sha256, map sha256, picture sha256, tool",
        f"the decision on inspection 7 {DIFFERS}signature id, person, decision",
        f"the signature on inspection 7 {DIFFERS}decision, scan sha256, figures, characteristics",
        "the decision on inspection 7 names another person than its signature",
        f"the review of the record {DIFFERS}events, last pos, trail digest, findings, signature id, person",
    }


@pytest.mark.requirement("P11-10h")
def test_every_value_of_a_calibration_is_compared(staff: Staff, cluster: Cluster) -> None:
    device = reviewed(staff)
    assert disagreements(device) == []
    tamper(
        cluster,
        "UPDATE quality_calibration SET number = 9, calibrated_on = '1990-01-01', due_on = '2990-01-01', "
        "as_found = 'out_of_tolerance', laboratory = 'Nobody', certificate_id = (SELECT max(sha256) FROM mes_artefact "
        f"WHERE sha256 <> certificate_id), recorded_by_id = {staff[Role.RA].pk}, {ANOTHER}",
    )
    said = "number, calibrated on, due on, as found, laboratory, certificate sha256, signature id, person"
    assert f"calibration 9 {DIFFERS}{said}" in disagreements(device)
    tamper(cluster, "DELETE FROM quality_calibration")
    assert any("calibration" in text and "is missing" in text for text in disagreements(device))


def test_rows_that_are_gone_are_named(staff: Staff, cluster: Cluster) -> None:
    device = reviewed(staff)
    wash = PostProcessStep.objects.get(step="wash")
    inspection, review = Inspection.objects.get(), device.record_reviews.get()
    job = PrintJob.objects.get()
    tamper(
        cluster,
        "DELETE FROM quality_post_process_step WHERE step = 'wash'",
        "DELETE FROM quality_measurement",
        "DELETE FROM quality_verdict",
        "DELETE FROM printing_consumption",
        f"DELETE FROM mes_signature WHERE id = {review.signature_id}",
    )
    assert set(disagreements(device)) >= {
        f"step {wash.pk} is missing",
        "the measurement of inspection 1 is missing",
        "the decision on inspection 1 is missing",
        f"signature {review.signature_id} is missing or about something else",
        f"the material that job {job.pk} used from container {job.container_id} differs from what was recorded",
    }
    tamper(cluster, "DELETE FROM quality_inspection")
    assert f"inspection {inspection.pk} is missing" in disagreements(device)


def test_rows_that_were_slipped_in_stand_on_no_event(staff: Staff, cluster: Cluster) -> None:
    device = inspected(staff)
    job, spare = PrintJob.objects.get(), Signature.objects.filter(meaning=Meaning.APPROVED).earliest("pk")
    step = "device_id, step, title, position, values, in_limits, equipment, performed_by_id"
    consumption = "lot_id, job_id, quantity, basis, withdrawal"
    tamper(
        cluster,
        f"INSERT INTO quality_post_process_step ({step}, attempt, signature_id) "
        f"SELECT {step}, 2, {spare.pk} FROM quality_post_process_step WHERE step = 'wash'",
        f"INSERT INTO printing_consumption ({consumption}, container_id) "
        f"SELECT {consumption}, container_id + 1 FROM printing_consumption",
    )
    assert set(disagreements(device)) >= {
        "Wash #2 stands on no event",
        f"the material that job {job.pk} used from container {job.container_id + 1} differs from what was recorded",
    }


@pytest.mark.parametrize("column", ["lot_id = lot_id + 1", "quantity = 1", "basis = 'estimated'"])
def test_each_value_of_material_used_is_compared(staff: Staff, cluster: Cluster, column: str) -> None:
    device = inspected(staff)
    tamper(cluster, f"UPDATE printing_consumption SET {column}")
    assert ["the material that job" in found for found in disagreements(device)] == [True]


def test_reasons_of_a_refused_scan_and_of_a_set_aside_one_are_compared(
    staff: Staff, cluster: Cluster
) -> None:
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    failed, quality = make_measured(staff, device, offset_mm=0.6), staff[Role.QAR]
    set_aside_inspection(
        inspection_id=failed.pk,
        justification="The scanner was not calibrated.",
        actor=acting(quality),
        credentials=typed(quality),
    )
    refused = receive_scan(
        device_id=device.pk,
        upload=b"solid nothing facet",
        gauge_id=the_gauge().pk,
        actor=acting(staff[Role.INS]),
    )
    record_refusal(inspection_id=refused.pk, reasons=(Reason("No surface.", "Scan again.", "G-INS-01"),))
    assert disagreements(device) == []
    tamper(
        cluster,
        "UPDATE quality_measurement SET reasons = '[]' WHERE outcome = 'refused'",
        "UPDATE quality_verdict SET justification = 'as good as new' WHERE decision = 'set_aside'",
    )
    found = disagreements(device)
    assert f"the measurement of inspection 2 {DIFFERS}reasons" in found
    assert f"the decision on inspection 1 {DIFFERS}justification" in found


def test_who_signed_is_compared_with_the_account_and_with_the_event(staff: Staff, cluster: Cluster) -> None:
    device = inspected(staff)
    wash, cure = (row.signature_id for row in PostProcessStep.objects.order_by("position"))
    other: Person = staff[Role.RA]
    account = other.accounts.get()
    whole = f"account_id = {account.pk}, person_id = {other.pk}, printed_name = '{other}'"
    tamper(
        cluster,
        f"UPDATE mes_signature SET {whole} WHERE id = {wash}",
        f"UPDATE mes_signature SET account_id = {account.pk} WHERE id = {cure}",
    )
    found = disagreements(device)
    assert f"the person of signature {wash} was changed" in found
    assert f"the person of signature {cure} was changed" in found
