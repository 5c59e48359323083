"""Review and release: the checklist, who may not sign, and what blocks (G-REL-01, G-REL-02, G-INT-01, G-SIG-01, G-SW-01)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.choices import Stage
from devices.events import DeviceHeld
from devices.models import Design, Device, Segmentation
from devices.services.holds import hold_device
from mes import lifecycle
from mes.choices import Meaning, Role
from mes.eventlog.delivery import recorded
from mes.eventlog.unit import open_unit, publish, unit_of_work
from mes.exceptions import NotPermitted, Refused, SignatureRefused, TransitionRefused
from mes.lifecycle import Gate, Verdict, ask_gates
from mes.models import EventRecord, Signature
from mes.selectors import events_of
from mes.services.artefacts import artefact_path
from mes.services.people import grant_role
from printing.events import BuildReopened, DevicePrintStarted, JobPaused, LotHeld
from printing.models import MaterialLot, Printer, PrintJob
from printing.services.holds import hold_printer, release_printer_hold
from printing.services.printers import qualify_printer, require_requalification
from quality.handlers import complete_records_of_printer
from quality.models import RecordReview, ReleaseDecision
from quality.reports.origin import origin_sections
from quality.selectors.people import took_part
from quality.services.inspection import sign_inspection
from quality.services.postprocessing import start_post_processing
from quality.services.release import (
    complete_record,
    release_checklist,
    release_content,
    release_device,
    release_digest,
    review_record,
    shown_record,
)
from tests.quality.makers import (
    BUILT,
    CURE,
    PEOPLE,
    SYSTEM,
    WASH,
    Staff,
    acting,
    make_built_device,
    make_measured,
    make_staff,
    typed,
)
from tests.quality.test_postprocessing import record
from tests.scenes import Scene, told


def inspected(staff: Staff, **of: object) -> Device:
    device = make_built_device(staff, **of)  # type: ignore[arg-type] # passed on as given
    start_post_processing(device_id=device.pk)
    record(staff, device.pk, "wash", WASH)
    record(staff, device.pk, "cure", CURE)
    device.refresh_from_db()
    inspection, person = make_measured(staff, device), staff[Role.INS]
    sign_inspection(inspection_id=inspection.pk, actor=acting(person), credentials=typed(person))
    device.refresh_from_db()
    return device


def reviewed(staff: Staff, **of: object) -> Device:
    if not of and (number := told("reviewed")) is not None:
        return Device.objects.get(pk=number)
    device = inspected(staff, **of)
    assert complete_record(device_id=device.pk)
    review(staff, device)
    device.refresh_from_db()
    return device


REVIEWED = Scene("reviewed", PEOPLE.make, story=lambda: reviewed(make_staff()).pk, upon=BUILT)


def review(staff: Staff, device: Device, role: Role = Role.QAR) -> RecordReview:
    person = staff[role]
    return review_record(device_id=device.pk, actor=acting(person), credentials=typed(person))


def release(staff: Staff, device: Device, role: Role = Role.QAX) -> ReleaseDecision:
    person = staff[role]
    return release_device(device_id=device.pk, actor=acting(person), credentials=typed(person))


def refused(
    staff: Staff,
    device: Device,
    *rules: str,
    role: Role = Role.QAX,
    refusal: type[Refused] = TransitionRefused,
) -> str:
    """Release is refused by exactly these rules, and leaves nothing behind."""
    before = (EventRecord.objects.count(), Signature.objects.count())
    with pytest.raises(refusal) as said:
        release(staff, device, role)
    device.refresh_from_db()
    assert {reason.rule for reason in said.value.reasons} == set(rules), said.value
    assert all(reason.text and reason.cure for reason in said.value.reasons)
    assert device.stage == Stage.REVIEWED
    assert ReleaseDecision.objects.count() == 0
    assert (EventRecord.objects.count(), Signature.objects.count()) == before
    return str(said.value)


@pytest.mark.requirement("G-REL-01")
def test_a_complete_device_is_reviewed_and_released(staff: Staff) -> None:
    device = reviewed(staff)
    checklist = release_checklist(device, acting(staff[Role.QAX]))
    assert all(result.passed for result in checklist)
    assert {result.gate for result in checklist} == {
        "G-BLD-01", "G-DES-01", "G-IMG-02", "G-INS-01", "G-INT-01", "G-LAT-01", "G-LBL-02", "G-NC-01", "G-ORD-05", "G-REL-01",
        "G-REL-02", "G-SEG-01", "G-SIG-01", "G-SW-01",
    }  # fmt: skip
    shown = shown_record(device)
    decision = release(staff, device)
    device.refresh_from_db()
    assert device.stage == Stage.RELEASED
    assert artefact_path(decision.record).read_bytes() == shown
    signed = json.loads(decision.signature.content)
    assert decision.signature.meaning == Meaning.RELEASED
    assert signed["details"]["record_sha256"] == decision.record_id
    assert signed["details"]["checklist"] == decision.checklist
    stored = json.loads(events_of(device).get(type="quality.device_released").payload)
    assert stored["checklist"] == decision.checklist
    assert {item["gate"] for item in stored["checklist"]} >= {"G-REL-01", "G-REL-02", "G-INT-01"}


def test_the_answers_that_a_releaser_signs_are_those_that_the_move_stands_on(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again a moment later, a gate could answer otherwise than what is signed."""
    device, asked = reviewed(staff), Counter[str]()
    ask = lifecycle._verdict

    def counted(gate: Gate, subject: object, context: Mapping[str, object]) -> Verdict:
        asked[gate.check.__name__] += "device.release" in gate.transitions
        return ask(gate, subject, context)

    monkeypatch.setattr(lifecycle, "_verdict", counted)
    decision = release(staff, device)
    assert asked.total() == len(decision.checklist)
    moved = events_of(device).filter(type="devices.device_stage_changed").latest("pos")
    assert json.loads(moved.payload)["gates"] == decision.checklist


def test_nobody_releases_twice(staff: Staff) -> None:
    device = reviewed(staff)
    release(staff, device)
    with pytest.raises(TransitionRefused, match="released already"):
        release(staff, device)
    assert ReleaseDecision.objects.count() == 1


def test_only_a_releaser_with_the_right_password_releases(staff: Staff) -> None:
    device, person = reviewed(staff), staff[Role.QAX]
    with pytest.raises(NotPermitted):
        release(staff, device, Role.QAR)
    with pytest.raises(SignatureRefused):
        release_device(
            device_id=device.pk, actor=acting(person), credentials=typed(person, password="some other phrase")
        )
    with pytest.raises(SignatureRefused, match="somebody else"):
        release_device(device_id=device.pk, actor=acting(person), credentials=typed(staff[Role.QAR]))
    device.refresh_from_db()
    assert device.stage == Stage.REVIEWED
    assert ReleaseDecision.objects.count() == 0


@pytest.mark.requirement("ES-19")
def test_the_signature_meets_the_digest_that_the_dialog_showed(staff: Staff) -> None:
    device, person = reviewed(staff), staff[Role.QAX]
    checklist = release_checklist(device, acting(person))
    record_sha256 = hashlib.sha256(shown_record(device)).hexdigest()
    shown = release_digest(device, release_content(device, checklist, record_sha256))
    with pytest.raises(SignatureRefused):
        release_device(
            device_id=device.pk, actor=acting(person), credentials=typed(person, digest=shown[::-1])
        )
    decision = release_device(
        device_id=device.pk, actor=acting(person), credentials=typed(person, digest=shown)
    )
    assert decision.signature.content_digest == shown


@pytest.mark.requirement("G-REL-02")
def test_whoever_took_part_in_any_role_cannot_release(staff: Staff) -> None:
    device = reviewed(staff)
    parts = took_part(device)
    makers = (
        Role.PRE, Role.ORD, Role.RA, Role.SEG, Role.CLR, Role.DSN, Role.QCM, Role.BLD, Role.OPR, Role.PST, Role.INS,
    )  # fmt: skip
    assert {staff[role].pk for role in makers} == set(parts)
    for role in makers:
        grant_role(person=staff[role], role=Role.QAX, actor=SYSTEM)
        assert "took part" in refused(staff, device, "G-REL-02", role=role, refusal=NotPermitted)
    release(staff, device)


@pytest.mark.requirement("G-REL-02")
def test_without_a_signer_the_checklist_says_that_the_question_is_open(staff: Staff) -> None:
    answers = {result.gate: result for result in release_checklist(reviewed(staff))}
    assert answers["G-REL-02"].outcome == "n/a"


@pytest.mark.requirement("G-REL-01")
def test_an_event_after_the_review_asks_for_another_review(staff: Staff) -> None:
    device = reviewed(staff)
    job = PrintJob.objects.get()
    pause_after_all(job, staff)
    assert "came after the review" in refused(staff, device, "G-REL-01")
    again = review(staff, device)
    device.refresh_from_db()
    assert device.stage == Stage.REVIEWED
    assert RecordReview.objects.count() == 2
    assert json.loads(again.signature.content)["trail_digest"] == again.trail_digest
    release(staff, device)


@unit_of_work
def pause_after_all(job: PrintJob, staff: Staff) -> None:
    publish(job, JobPaused(job_id=job.pk, layer=3, by_machine=True, text=""), actor=acting(staff[Role.OPR]))


@pytest.mark.requirement("G-REL-01")
def test_a_record_with_a_gap_does_not_reach_review(staff: Staff) -> None:
    device = inspected(staff)
    build = device.build_items.get().build
    build.items.update(mesh_sha256="0" * 64)
    assert not complete_record(device_id=device.pk)
    device.refresh_from_db()
    assert device.stage == Stage.INSPECTED_PASS


@pytest.mark.requirement("G-REL-01")
def test_quantities_that_disagree_block(staff: Staff) -> None:
    device = inspected(staff)
    fact_of_a_lost_print(device)
    assert not complete_record(device_id=device.pk)
    device.refresh_from_db()
    assert device.stage == Stage.INSPECTED_PASS


@unit_of_work
def fact_of_a_lost_print(device: Device) -> None:
    from_log = EventRecord.objects.get(type="printing.device_print_started", stream_id=str(device.pk))
    from_payload = json.loads(from_log.payload)
    publish(device, DevicePrintStarted(**from_payload), actor=SYSTEM)


def alter_a_file(device: Device) -> None:
    design = device.current_design
    assert design is not None
    path = artefact_path(str(design.mesh_id))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(bytes(content))


def alter_a_scan(device: Device) -> None:
    path = artefact_path(device.inspections.get().scan)
    path.chmod(0o640)
    path.write_bytes(path.read_bytes()[::-1])


def lose_a_file(device: Device) -> None:
    assert device.current_segmentation is not None
    artefact_path(str(device.current_segmentation.mask_id)).unlink()


def alter_a_lot(_device: Device) -> None:
    MaterialLot.objects.update(supplier_lot="somebody else's")


def alter_a_design(_device: Device) -> None:
    Design.objects.update(values={"thickness_mm": 2.0})


@pytest.mark.requirement("G-INT-01")
@pytest.mark.parametrize(
    ("_case", "harm", "rules"),
    [
        ("one bit of a file", alter_a_file, ("G-INT-01",)),
        ("the scan", alter_a_scan, ("G-INT-01",)),
        ("a lost file", lose_a_file, ("G-INT-01",)),
        ("a row of a lot", alter_a_lot, ("G-INT-01",)),
        ("a row of the design", alter_a_design, ("G-INT-01", "G-SIG-01")),
    ],
)
def test_an_altered_record_is_not_released(
    staff: Staff, _case: str, harm: Callable[[Device], None], rules: tuple[str, ...]
) -> None:
    device = reviewed(staff)
    harm(device)
    refused(staff, device, *rules)


@pytest.mark.requirement("G-SEG-01")
def test_a_device_of_another_bone_than_the_approved_one_is_not_released_and_its_record_names_its_own(
    staff: Staff,
) -> None:
    device = reviewed(staff)
    own = Segmentation.objects.get()
    kept = {"id", "status", "approval", "recorded_at"}
    copied = {
        field.attname: field.value_from_object(own)
        for field in own._meta.concrete_fields
        if field.name not in kept
    }
    other = Segmentation.objects.create(**copied)
    other.status, other.approval = "approved", own.approval
    other.save()
    device.current_segmentation, own.status = other, "superseded"
    device.save()
    own.save()
    device = Device.objects.get()
    results = release_checklist(device, acting(staff[Role.QAX]))
    against = {result.gate: result.reason for result in results if not result.passed}
    assert f"from segmentation {own.pk}, and its segmentation now is {other.pk}" in against["G-SEG-01"]
    assert "an approved segmentation" in against["G-REL-01"]
    said = {fact.key: fact.value for section in origin_sections(device, []) for fact in section.facts}
    assert (said["segmentation"], said["made_from"]) == (own.pk, own.pk)


@pytest.mark.requirement("G-NC-01")
def test_a_held_device_and_a_held_lot_block(staff: Staff) -> None:
    device = reviewed(staff)
    hold_the_lot(MaterialLot.objects.get(), device)
    assert "is on hold" in refused(staff, device, "G-NC-01")
    hold_device(device_id=device.pk, actor=acting(staff[Role.QAR]), reason="A question from the clinic")
    device.refresh_from_db()
    assert "A question" in refused(staff, device, "G-NC-01", "G-REL-01")


@pytest.mark.requirement("G-NC-01")
def test_a_printer_that_is_held_or_lost_its_qualification_blocks_what_it_made(staff: Staff) -> None:
    device, printer, who = reviewed(staff), Printer.objects.get(), staff[Role.QAR]
    by: dict[str, Any] = {"actor": acting(who), "credentials": typed(who)}
    hold_printer(printer_id=printer.pk, actor=acting(who), reason="light engine is out of power")
    assert "light engine is out of power" in refused(staff, device, "G-NC-01")
    with CaptureQueriesContext(connection) as asked, open_unit():
        answers = {result.gate: result for result in ask_gates("device.ship", device)}
    locks = [query["sql"] for query in asked if "FOR UPDATE" in query["sql"]]
    assert [
        name for sql in locks for name in ("printing_printer", "printing_lot") if f'FROM "{name}"' in sql
    ] == [
        "printing_printer",
        "printing_lot",
    ]
    assert answers["G-NC-01"].evidence["printers"][printer.code]["held"] == "light engine is out of power"
    release_printer_hold(printer_id=printer.pk, reason="it was the meter", **by)

    require_requalification(printer_id=printer.pk, actor=acting(who), reason="it was moved")
    assert "needs requalification" in refused(staff, device, "G-NC-01")
    requalified(printer, by)
    assert release(staff, device).quantity == 1


@pytest.mark.requirement("G-NC-01")
def test_what_a_hold_had_stopped_goes_to_review_once_it_is_over(staff: Staff) -> None:
    device, who = inspected(staff), staff[Role.QAR]
    printer = device.build_items.get().build.jobs.get().printer
    by: dict[str, Any] = {"actor": acting(who), "credentials": typed(who)}
    hold_printer(printer_id=printer.pk, actor=acting(who), reason="a bad lamp")
    assert not complete_record(device_id=device.pk)
    release_printer_hold(printer_id=printer.pk, reason="it was the meter", **by)
    complete_records_of_printer(recorded(EventRecord.objects.get(type="printing.printer_hold_released")))
    device.refresh_from_db()
    assert device.stage == Stage.READY_FOR_REVIEW


def requalified(printer: Printer, by: dict[str, Any]) -> None:
    sets = list(printer.triples.values_list("parameters_id", flat=True)[:1])
    until = timezone.localdate() + timedelta(days=10)
    qualify_printer(printer_id=printer.pk, parameters=sets, valid_until=until, **by)


@unit_of_work
def hold_the_lot(lot: MaterialLot, device: Device) -> None:
    lot.state, lot.held_from = "on_hold", lot.state
    lot.save()
    publish(lot, LotHeld(lot_id=lot.pk, held_from=lot.held_from, devices=[device.pk]), actor=SYSTEM)


@pytest.mark.requirement("G-SW-01")
def test_research_tools_block_clinical_release_and_validated_ones_do_not(staff: Staff) -> None:
    device = reviewed(staff, clinical=True)
    said = refused(staff, device, "G-SW-01")
    assert "bone_threshold 1" in said
    assert "lamina.inspect_scan 4" in said


@pytest.mark.requirement("G-SW-01")
@pytest.mark.parametrize(("clinical", "outcome"), [(False, "block"), (True, "pass")])
def test_a_training_device_is_not_shipped(staff: Staff, clinical: bool, outcome: str) -> None:
    device = make_built_device(staff, clinical=clinical)
    asked = [result for result in ask_gates("device.ship", device) if result.gate == "G-SW-01"]
    assert [result.outcome for result in asked] == [outcome]
    assert clinical or "training" in asked[0].reason
    assert clinical or asked[0].cure


@pytest.mark.requirement("G-SW-01")
@pytest.mark.parametrize(("diagnostic", "outcome"), [(False, "n/a"), (True, "block")])
def test_a_model_leaves_the_house_and_needs_validated_tools_where_a_diagnosis_rests_on_it(
    staff: Staff, diagnostic: bool, outcome: str
) -> None:
    device = make_built_device(staff)
    device.master.intended_use, device.master.design = "model", {"diagnostic_use": diagnostic}
    asked = {point: ask_gates(point, device) for point in ("device.ship", "device.release")}
    said = {point: [one for one in found if one.gate == "G-SW-01"] for point, found in asked.items()}
    assert [one.outcome for one in said["device.ship"]] == ["pass"]
    assert "NOT A MEDICAL DEVICE" in str(said["device.ship"][0].evidence)
    assert [one.outcome for one in said["device.release"]] == [outcome]


@pytest.mark.requirement("G-IMG-02")
def test_images_too_old_at_the_planned_use_block(staff: Staff) -> None:
    device = reviewed(staff)
    move_need_by(device)
    refused(staff, device, "G-IMG-02", "G-REL-01")


@unit_of_work
def move_need_by(device: Device) -> None:
    device.need_by = timezone.localdate() + timedelta(days=400)
    device.save()
    publish(device, DeviceHeld(device_id=device.pk, stage=device.stage, hold_id=1, source=""), actor=SYSTEM)


@pytest.mark.requirement("G-SIG-01")
def test_a_missing_verification_of_the_build_blocks(staff: Staff) -> None:
    device = reviewed(staff)
    forget_the_verification(PrintJob.objects.get())
    assert "verification of build" in refused(staff, device, "G-SIG-01", "G-REL-01")


@unit_of_work
def forget_the_verification(job: PrintJob) -> None:
    job.build.verify_signature = None
    job.build.save()
    publish(job.build, BuildReopened(build_id=job.build_id), actor=SYSTEM)


@pytest.mark.requirement("G-SOD-01")
def test_a_maker_does_not_review_the_record(staff: Staff) -> None:
    device = inspected(staff)
    complete_record(device_id=device.pk)
    making = "You took part in making this device"
    for role, said in ((Role.PST, making), (Role.INS, "You inspected this device"), (Role.OPR, making)):
        grant_role(person=staff[role], role=Role.QAR, actor=SYSTEM)
        with pytest.raises(NotPermitted, match=said):
            review(staff, device, role)
    assert not RecordReview.objects.filter(device=device).exists()
    device.refresh_from_db()
    assert device.stage == Stage.READY_FOR_REVIEW


@pytest.mark.requirement("G-REL-01")
def test_a_device_without_its_facts_stays_open(staff: Staff) -> None:
    device = make_built_device(staff, stage=Stage.INSPECTED_PASS)
    assert not complete_record(device_id=device.pk)
    device.refresh_from_db()
    assert device.stage == Stage.INSPECTED_PASS
