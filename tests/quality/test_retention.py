"""Keeping, holding and destroying the record of a real device, end to end (K-15, 21 CFR 11.10(c))."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from time import time
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from devices.choices import OrderStage
from devices.models import Device, Kit, KitMember, Order
from devices.services.closing import close_order
from mes.choices import DisposalStage, HoldStage, Role
from mes.eventlog.base import Actor
from mes.eventlog.fileowners import disposed_files
from mes.eventlog.rowcheck import check_files
from mes.exceptions import Conflict, IdentityErased, InvalidInput, NotPermitted, Refused
from mes.models import (
    Artefact,
    Disposal,
    EmergencyAccess,
    EventRecord,
    HandwrittenSignature,
    LegalHold,
    Patient,
    RetentionClock,
)
from mes.retention import REACHES, tags_of, years_after
from mes.selectors import stream_of
from mes.services.artefacts import artefact_path, require_intact, store, store_artefact
from mes.services.disposals import (
    approve_disposal,
    carry_out_disposal,
    certificate_of,
    propose_disposal,
    reasons_to_keep,
    signed_certificate,
    withdraw_disposal,
)
from mes.services.holds import (
    held_by,
    place_hold,
    propose_release,
    refuse_release,
    release_hold,
    streams_about,
)
from mes.services.patients import open_identity
from mes.services.recordfiles import files_of_record
from mes.services.retention import extend_retention, keeping_of, start_clock
from mes.services.signatures import Credentials
from mes.tables import ROOTS
from printing.models import Build, MaterialLot, PrinterCommand
from printing.services.lots import reject_lot
from quality.choices import ExportKind, Source
from quality.models import Export, ExportedRecord, Nonconformance, Package
from tests.mes.makers import take_back
from tests.printing.makers import make_lot
from tests.quality.makers import CANARY, Staff, acting, make_built_device, make_person, move_through, typed

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("K-15")]
SYSTEM = Actor.system("test")
Signer = tuple[Actor, Credentials]


RELEASED = (
    "post_processing",
    "awaiting_inspection",
    "inspected_pass",
    "ready_for_review",
    "reviewed",
    "released",
)
SCRAPPED = ("nonconforming", "scrapped")


def make_signer(*roles: Role) -> Signer:
    person = make_person("Somebody", *roles)
    return acting(person), typed(person)


@pytest.fixture
def device(staff: Staff) -> Device:
    """Released today, with images, a segmentation, a design and a build."""
    made = make_built_device(staff)
    move_through(made, RELEASED)
    return Device.objects.get(pk=made.pk)


@pytest.fixture
def manager(db: None) -> Signer:
    return make_signer(Role.REC)


@pytest.fixture
def reviewer(db: None) -> Signer:
    return make_signer(Role.QAR)


def today() -> date:
    return timezone.now().date()


def end_of(row: Any) -> date:
    until = keeping_of(row).until
    assert until is not None
    return until


@contextmanager
def on_the_day(day: date) -> Iterator[None]:
    """The calendar alone: a clock that jumps would stop every signature (G-CLK-01)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.utils.timezone.localdate", lambda *_: day)
        yield


def hold(subject: Any, manager: Signer, **of: Any) -> LegalHold:
    given: dict[str, Any] = {
        "reason": "A complaint is in court",
        "requester": "Counsel",
        "review_on": today() + timedelta(30),
    }
    return place_hold(subject=subject, actor=manager[0], **given | of)


def let_go(found: LegalHold, manager: Signer, reviewer: Signer) -> None:
    propose_release(hold_id=found.pk, reason="Settled", actor=manager[0], credentials=manager[1])
    release_hold(hold_id=found.pk, actor=reviewer[0], credentials=reviewer[1])


def propose(row: Any, manager: Signer) -> Disposal:
    return propose_disposal(row=row, reason="Its time is over", actor=manager[0], credentials=manager[1])


def approved(row: Any, manager: Signer, reviewer: Signer) -> Disposal:
    found = propose(row, manager)
    return approve_disposal(disposal_id=found.pk, actor=reviewer[0], credentials=reviewer[1])


def refusal(row: Any) -> str:
    return " ".join(str(reason) for reason in reasons_to_keep(row))


# --- the clock


def test_a_released_device_is_kept_ten_years_from_its_release(device: Device) -> None:
    keeping = keeping_of(device)
    assert keeping.until == years_after(today(), 10)
    assert keeping.rules == ("R-13485", "R-RT")
    assert (keeping_of(device.order).until, keeping_of(Build.objects.get()).until) == (keeping.until,) * 2


def test_one_that_is_still_made_has_no_end(staff: Staff) -> None:
    made = make_built_device(staff)
    assert keeping_of(made).until is None
    assert "not released" in keeping_of(made).waits
    assert "No end is set" in refusal(made)


def test_what_failed_is_kept_as_long_as_what_succeeded(staff: Staff) -> None:
    made = make_built_device(staff)
    move_through(made, SCRAPPED)
    assert keeping_of(made).until == years_after(today(), 10)
    assert keeping_of(Build.objects.get()).until == years_after(today(), 10)


@pytest.mark.parametrize(("contact", "years", "rule"), [("tissue_bone_24h", 10, "R-MDR-10"), ("tissue_bone_long_term", 15, "R-MDR-15")])  # fmt: skip
def test_an_implant_is_kept_fifteen_years(staff: Staff, contact: str, years: int, rule: str) -> None:
    made = make_built_device(staff, clinical=True)
    move_through(made, RELEASED)
    made.master.contact_category = contact
    made.master.save()
    keeping = keeping_of(made)
    assert keeping.periods[rule] == years_after(today(), years)
    assert keeping.until == years_after(today(), years)


def test_a_clock_only_ever_moves_forward(device: Device, manager: Signer) -> None:
    started = start_clock(row=device, actor=SYSTEM)
    assert started is not None
    first = started.retain_until
    device.master.contact_category = "tissue_bone_long_term"
    device.master.save()
    start_clock(row=device, actor=SYSTEM)
    assert end_of(device) == years_after(today(), 15) > first
    device.master.contact_category = "none"
    device.master.save()
    start_clock(row=device, actor=SYSTEM)
    assert end_of(device) == years_after(today(), 15)
    clock = RetentionClock.objects.get()
    assert clock.periods.count() == 2
    # Even behind the service's back: the settings themselves cannot be taken back.
    RetentionClock.objects.update(retain_until=today())
    assert end_of(device) == years_after(today(), 15)
    facts = EventRecord.objects.filter(stream_type="mes.retention_clock", type="mes.retention_set")
    assert facts.count() == 2


def test_it_is_extended_by_hand_with_a_reason_and_never_shortened(device: Device, manager: Signer) -> None:
    later = end_of(device) + timedelta(days=1)
    with pytest.raises(InvalidInput, match="only ever extended"):
        extend_retention(row=device, until=end_of(device), reason="shorter", actor=manager[0])
    with pytest.raises(InvalidInput, match="Say why"):
        extend_retention(row=device, until=later, reason=" ", actor=manager[0])
    extend_retention(row=device, until=later, reason="A registry asks for it", actor=manager[0])
    assert end_of(device) == later


ON_THE_WAY = (
    "in_design",
    "awaiting_clinical_approval",
    "in_production",
    "ready_to_ship",
    "shipped",
    "delivered",
)


def clocks() -> dict[str, date]:
    """By record class: the day that the one clock of it was set to."""
    return dict(RetentionClock.objects.values_list("record_root", "retain_until"))


@pytest.mark.parametrize("ended", ["released", "scrapped"])
def test_the_end_of_a_device_starts_every_clock_that_hangs_on_it(
    staff: Staff, committed_db: None, drain: Callable[[], int], ended: str
) -> None:
    made = make_built_device(staff)
    drain()
    assert clocks() == {}
    move_through(made, {"released": RELEASED, "scrapped": SCRAPPED}[ended])
    drain()
    until = years_after(today(), 10)
    assert clocks() == dict.fromkeys(("devices.device", "devices.order", "printing.build"), until)


def test_a_closing_starts_the_clock_of_an_order(
    device: Device, committed_db: None, drain: Callable[[], int], staff: Staff
) -> None:
    coordinator = acting(staff[Role.ORD])
    with pytest.raises(Refused, match="cannot close from there"):
        close_order(order_id=device.order_id, actor=coordinator)
    for stage in ON_THE_WAY:
        Order.objects.filter(pk=device.order_id).update(stage=stage)
    with pytest.raises(NotPermitted):
        close_order(order_id=device.order_id, actor=acting(staff[Role.OPR]))
    assert close_order(order_id=device.order_id, actor=coordinator).stage == OrderStage.CLOSED
    drain()
    assert clocks()["devices.order"] == years_after(today(), 10)


# --- legal holds


@pytest.mark.parametrize("of", ["order", "patient", "lot", "dates"])
def test_a_hold_reaches_what_belongs_to_its_scope(device: Device, manager: Signer, of: str) -> None:
    lot = MaterialLot.objects.get()
    subject = {"order": device.order, "patient": device.order.patient, "lot": lot, "dates": None}[of]
    dates = {} if subject else {"since": today(), "until": today()}
    found = hold(subject, manager, **dates)
    build = Build.objects.get()
    for row in (device, device.order, build, *build.jobs.all(), lot, device.order.patient):
        assert held_by(row) == (found,), row


def test_a_hold_does_not_reach_others(staff: Staff, device: Device, manager: Signer) -> None:
    other = make_built_device(staff)
    hold(device.order, manager)
    hold(None, manager, since=today() - timedelta(9), until=today() - timedelta(1))
    assert held_by(other) == ()
    assert held_by(other.order.patient) == ()


def test_a_hold_over_dates_finds_the_patient_by_everything_that_it_holds(
    staff: Staff, device: Device, manager: Signer
) -> None:
    """What a hold on an order, a lot or a patient reaches leads to the patient, on whatever days it was written."""
    patient, job = device.order.patient, device.build_items.get().build.jobs.get()
    Nonconformance.objects.create(device=device, source=Source.PERSON, found_at_stage=device.stage)
    Package.objects.create(order=device.order, level="pouch", station="1", opened_by=staff[Role.PST])
    PrinterCommand.objects.create(printer=job.printer, job=job, kind="pause")
    kit = Kit.objects.create(patient=patient, members_digest="", created_by=staff[Role.OPR])
    KitMember.objects.create(kit=kit, device=device)
    access = EmergencyAccess.objects.create(
        person=staff[Role.OPR], patient=patient, opened_at=timezone.now(), expires_at=timezone.now()
    )
    paper = HandwrittenSignature.objects.create(
        subject_type="printing.job", subject_id=job.pk, meaning="verified", executed_on=today(),
        scan=Artefact.objects.all()[0], uploaded_by=staff[Role.OPR], uploaded_at=timezone.now(),
    )  # fmt: skip
    roots = {root for root, _ in REACHES.values()}
    rows = [row for root in roots if (model := ROOTS[root].model) for row in model._base_manager.all()]
    held = {stream_of(row) for row in rows if ("patient", patient.token) in tags_of(stream_of(row)[0], row)}
    assert roots == {kind for kind, _ in held}
    about = {(kind, key) for kind, keys in streams_about(patient).items() for key in keys}
    assert held | {stream_of(access), stream_of(paper)} <= about
    assert not about & {stream_of(one) for one in (device.master, device.material, job.printer)}
    found, silent = (
        hold(None, manager, since=today(), until=today()),
        Patient.objects.create(token="PAAAAAAAAA"),
    )
    assert held_by(silent) == ()
    Order.objects.filter(pk=device.order_id).update(patient=silent)
    assert held_by(silent) == (found,)


@pytest.mark.requirement("ES-18")
def test_a_hold_is_released_by_two_people(device: Device, manager: Signer, reviewer: Signer) -> None:
    found = hold(device.order, manager)
    both = make_signer(Role.REC, Role.QAR)
    propose_release(hold_id=found.pk, reason="Settled", actor=both[0], credentials=both[1])
    assert held_by(device) == (found,)
    with pytest.raises(NotPermitted, match="two people"):
        release_hold(hold_id=found.pk, actor=both[0], credentials=both[1])
    refuse_release(hold_id=found.pk, reason="The other case is open", actor=reviewer[0])
    assert held_by(device) == (found,)
    proposal = propose_release(
        hold_id=found.pk, reason="Settled", actor=manager[0], credentials=manager[1]
    ).proposal
    take_back(proposal, manager)
    with pytest.raises(Refused, match="one person alone ends none"):
        release_hold(hold_id=found.pk, actor=reviewer[0], credentials=reviewer[1])
    assert held_by(device) == (found,)
    let_go(found, manager, reviewer)
    assert held_by(device) == ()
    found.refresh_from_db()
    with pytest.raises(Conflict, match="Place a new hold"):
        take_back(found.release, reviewer)
    found.refresh_from_db()
    assert found.stage == HoldStage.RELEASED
    facts = EventRecord.objects.filter(stream_type="mes.legal_hold").order_by("version")
    assert [fact.type.partition(".")[2] for fact in facts] == [
        "legal_hold_placed", "legal_hold_release_proposed", "legal_hold_release_refused",
        "legal_hold_release_proposed", "signature_withdrawn", "legal_hold_release_proposed", "legal_hold_released",
    ]  # fmt: skip


def test_a_hold_names_every_fault_at_once(device: Device, manager: Signer) -> None:
    with pytest.raises(InvalidInput) as refused:
        hold(None, manager, reason="", review_on=today() - timedelta(1))
    assert len(refused.value.reasons) == 3
    with pytest.raises(InvalidInput, match="order, a lot or a patient"):
        hold(device, manager)
    assert LegalHold.objects.count() == 0


def test_not_everybody_holds_and_releases(device: Device, manager: Signer) -> None:
    other = make_signer(Role.SEC, Role.SYS)
    with pytest.raises(NotPermitted):
        hold(device.order, other)
    found = hold(device.order, manager)
    with pytest.raises(NotPermitted):
        propose_release(hold_id=found.pk, reason="x", actor=other[0], credentials=other[1])


# --- disposal


def test_nothing_is_destroyed_before_its_day_is_over(device: Device, manager: Signer) -> None:
    with pytest.raises(Refused, match=r"R-13485.*kept until"):
        propose(device, manager)
    with on_the_day(end_of(device)), pytest.raises(Refused, match="kept until"):
        propose(device, manager)
    with on_the_day(end_of(device) + timedelta(days=1)):
        assert propose(device, manager).stage == DisposalStage.PROPOSED


def test_nothing_is_destroyed_under_a_hold(device: Device, manager: Signer, reviewer: Signer) -> None:
    with on_the_day(end_of(device) + timedelta(days=1)):
        found = hold(device.order, manager, review_on=date(2999, 1, 1))
        with pytest.raises(Refused, match=f"{found.code}.*in court"):
            propose(device, manager)
        let_go(found, manager, reviewer)
        disposal = propose(device, manager)
        second = hold(device.order, manager, review_on=date(2999, 1, 1))
        with pytest.raises(Refused, match=second.code):
            approve_disposal(disposal_id=disposal.pk, actor=reviewer[0], credentials=reviewer[1])
        let_go(second, manager, reviewer)
        approve_disposal(disposal_id=disposal.pk, actor=reviewer[0], credentials=reviewer[1])
        third = hold(MaterialLot.objects.get(), manager, review_on=date(2999, 1, 1))
        with pytest.raises(Refused, match=third.code):
            carry_out_disposal(disposal_id=disposal.pk)
    for name in files_of_record(device).going:
        assert store().verify(name)


def test_two_signatures_and_the_files_go_and_their_digests_stay(
    device: Device, manager: Signer, reviewer: Signer
) -> None:
    build_file, bundle = Build.objects.get().file_id, exported(device)
    with on_the_day(end_of(device) + timedelta(days=1)):
        disposal = approved(device, manager, reviewer)
        names = [one["sha256"] for one in signed_certificate(disposal)["destroyed"]]
        assert len(names) > 3
        assert bundle in names
        assert build_file not in names
        carried = carry_out_disposal(disposal_id=disposal.pk)
    assert carried == len(names)
    assert not any(artefact_path(name).exists() for name in names)
    assert store().verify(str(build_file))
    assert disposed_files().keys() == set(names)
    assert list(check_files(store(), disposed_files())) == []
    assert {bad.where for bad in check_files(store())} == {f"{name}: missing" for name in names}
    with pytest.raises(Refused, match="certificate of destruction"):
        require_intact(Artefact.objects.get(pk=names[0]))
    assert carry_out_disposal(disposal_id=disposal.pk) == 0
    assert Device.objects.filter(pk=device.pk).exists()


def test_a_file_that_came_in_again_stays_with_the_record_that_names_it_now(
    manager: Signer, reviewer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever types the command again, and whatever an old certificate says: a live lot's file is neither removed nor
    explained away."""
    given = uuid4().hex.encode()
    old = make_lot(certificate_file=given)
    name = str(old.certificate_file_id)
    bundles = [exported(old), exported(make_lot())]
    control = make_signer(Role.QCM)
    reject_lot(lot_id=old.pk, actor=control[0], credentials=control[1], reason="Wrong colour")
    old.refresh_from_db()
    with on_the_day(end_of(old) + timedelta(days=1)):
        disposal = approved(old, manager, reviewer)
        assert carry_out_disposal(disposal_id=disposal.pk) == 2
        assert disposed_files().keys() == {name, bundles[0]}
        assert [store().verify(bundle) for bundle in bundles] == [False, True]
        live = make_lot(certificate_file=given)
    assert live.certificate_file_id == name
    assert disposed_files().keys() == {bundles[0]}
    call_command("dispose", disposal.code)
    assert "0 files removed" in (told := capsys.readouterr().out)
    assert "1 files stay" in told
    assert store().verify(name)
    artefact_path(name).unlink()
    assert [bad.where for bad in check_files(store(), disposed_files())] == [f"{name}: missing"]
    with pytest.raises(Refused, match="Restore it from a backup"):
        require_intact(name)


def exported(subject: MaterialLot | Device) -> str:
    """A bundle of a lot by itself, or of a device, which holds all of its files; its digest."""
    bundle = store_artefact(uuid4().bytes, media_type="application/zip")
    device = subject if isinstance(subject, Device) else None
    kind = ExportKind.DEVICE if device else ExportKind.LOT
    keys = [device.pk] if device else []
    export = Export.objects.create(
        kind=kind, subject=subject.code, mode="", devices=keys, requested_by="console"
    )
    ExportedRecord.objects.create(
        export=export, device=device, bundle=bundle, record_sha256="0" * 64, name=str(subject), events=1
    )
    return bundle.sha256


def test_a_file_that_is_just_put_in_again_stays_until_something_names_it(
    manager: Signer, reviewer: Signer
) -> None:
    lot = make_lot(certificate_file=uuid4().hex.encode())
    control = make_signer(Role.QCM)
    reject_lot(lot_id=lot.pk, actor=control[0], credentials=control[1], reason="Wrong colour")
    lot.refresh_from_db()
    path = artefact_path(str(lot.certificate_file_id))
    os.utime(path, times=(time() + 90, time() + 90))
    with on_the_day(end_of(lot) + timedelta(days=1)):
        disposal = approved(lot, manager, reviewer)
        assert carry_out_disposal(disposal_id=disposal.pk) == 0
    os.utime(path, times=(0, 0))
    assert carry_out_disposal(disposal_id=disposal.pk) == 1
    assert not path.exists()


@pytest.mark.requirement("ES-18")
def test_nothing_is_destroyed_on_a_signature_that_was_withdrawn(
    device: Device, manager: Signer, reviewer: Signer
) -> None:
    with on_the_day(end_of(device) + timedelta(days=1)):
        first = propose(device, manager)
        take_back(first.proposal, manager)
        with pytest.raises(Refused, match="was withdrawn"):
            approve_disposal(disposal_id=first.pk, actor=reviewer[0], credentials=reviewer[1])
        withdraw_disposal(disposal_id=first.pk, reason="Again", actor=manager[0])
        disposal = approved(device, manager, reviewer)
        take_back(disposal.approval, reviewer)
        with pytest.raises(Refused, match="was withdrawn"):
            carry_out_disposal(disposal_id=disposal.pk)
        withdraw_disposal(disposal_id=disposal.pk, reason="Again", actor=manager[0])
        carried = approved(device, manager, reviewer)
        carry_out_disposal(disposal_id=carried.pk)
    with pytest.raises(Conflict, match="nothing brings them back"):
        take_back(carried.proposal, manager)
    assert disposed_files()


def test_a_certificate_without_two_people_explains_no_missing_file(
    device: Device, manager: Signer, reviewer: Signer
) -> None:
    with on_the_day(end_of(device) + timedelta(days=1)):
        disposal = approved(device, manager, reviewer)
        carry_out_disposal(disposal_id=disposal.pk)
    names = disposed_files()
    Disposal.objects.update(approval=disposal.proposal)
    assert disposed_files() == {}
    Disposal.objects.update(approval=disposal.approval, certificate=disposal.certificate + " ")
    assert disposed_files() == {}
    assert len(list(check_files(store(), disposed_files()))) == len(names)


def test_a_file_that_another_record_needs_stays(
    staff: Staff, device: Device, manager: Signer, reviewer: Signer
) -> None:
    """The mesh stands on the build's plate too: it goes when the build has gone, or with it."""
    before = files_of_record(device)
    mesh = device.current_design.mesh_id if device.current_design else ""
    assert before.staying[str(mesh)].startswith("printing.build/")
    with on_the_day(end_of(device) + timedelta(days=1)):
        of_build = approved(Build.objects.get(), manager, reviewer)
        assert mesh not in [one["sha256"] for one in signed_certificate(of_build)["destroyed"]]
        carry_out_disposal(disposal_id=of_build.pk)
    assert mesh in files_of_record(device).going


def test_one_person_cannot_destroy(device: Device, manager: Signer) -> None:
    both = make_signer(Role.REC, Role.QAR)
    with on_the_day(end_of(device) + timedelta(days=1)):
        disposal = propose(device, both)
        with pytest.raises(NotPermitted, match="two people"):
            approve_disposal(disposal_id=disposal.pk, actor=both[0], credentials=both[1])
        with pytest.raises(NotPermitted):
            approve_disposal(disposal_id=disposal.pk, actor=manager[0], credentials=manager[1])
        with pytest.raises(Conflict, match="Proposed"):
            carry_out_disposal(disposal_id=disposal.pk)
        with pytest.raises(Conflict, match="stands already"):
            propose(device, manager)
        withdraw_disposal(disposal_id=disposal.pk, reason="Not yet", actor=manager[0])
        again = propose(device, manager)
        assert again.pk != disposal.pk
        quality = make_signer(Role.QAR)[0]
        withdraw_disposal(disposal_id=again.pk, reason="A complaint came in", actor=quality)
        assert propose(device, manager).pk != again.pk


def test_a_certificate_over_a_record_that_changed_is_not_signed(
    device: Device, manager: Signer, reviewer: Signer
) -> None:
    with on_the_day(end_of(device) + timedelta(days=1)):
        disposal = propose(device, manager)
        move_through(device, ("shipped",))
    with on_the_day(end_of(device) + timedelta(days=1)), pytest.raises(Refused, match="changed"):
        approve_disposal(disposal_id=disposal.pk, actor=reviewer[0], credentials=reviewer[1])


def test_what_others_rest_on_is_never_destroyed(device: Device, manager: Signer) -> None:
    with pytest.raises(Refused, match="never destroyed"):
        propose(device.master, manager)


def test_the_certificate_says_nothing_about_who_the_patient_is(device: Device) -> None:
    told = str(certificate_of(device, "Its time is over"))
    assert device.order.patient.token in told
    assert CANARY not in told


@pytest.mark.requirement("K-13")
def test_the_identity_goes_with_the_last_record_that_needs_it(
    device: Device, manager: Signer, reviewer: Signer
) -> None:
    patient = device.order.patient
    with on_the_day(end_of(device) + timedelta(days=1)):
        first = approved(device, manager, reviewer)
        assert signed_certificate(first)["identities_erased"] == []
        carry_out_disposal(disposal_id=first.pk)
        assert open_identity(patient).family_name == CANARY
        last = approved(device.order, manager, reviewer)
        assert signed_certificate(last)["identities_erased"] == [patient.token]
        carry_out_disposal(disposal_id=last.pk)
    patient.refresh_from_db()
    assert patient.erased
    with pytest.raises(IdentityErased):
        open_identity(patient)
    erased = EventRecord.objects.get(type="mes.patient_identity_erased")
    assert json.loads(erased.payload)["disposal_id"] == last.pk
    assert carry_out_disposal(disposal_id=last.pk) == 0
    assert EventRecord.objects.filter(type="mes.patient_identity_erased").count() == 1


@pytest.mark.requirement("K-13")
@pytest.mark.parametrize("kept_by", ["hold", "order"])
def test_what_still_needs_an_identity_keeps_it(
    staff: Staff, device: Device, manager: Signer, reviewer: Signer, kept_by: str
) -> None:
    patient = device.order.patient
    with on_the_day(end_of(device) + timedelta(days=1)):
        carry_out_disposal(disposal_id=approved(device, manager, reviewer).pk)
        last = approved(device.order, manager, reviewer)
        if kept_by == "hold":
            hold(patient, manager, review_on=date(2999, 1, 1))
        else:
            other = make_built_device(staff)
            Order.objects.filter(pk=other.order_id).update(patient=patient)
        with pytest.raises(Refused):
            carry_out_disposal(disposal_id=last.pk)
    assert open_identity(patient).family_name == CANARY


def test_the_command_carries_out_what_two_people_signed(
    device: Device, manager: Signer, reviewer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    with on_the_day(end_of(device) + timedelta(days=1)):
        disposal = approved(device, manager, reviewer)
        call_command("dispose", disposal.code)
    assert "files removed" in capsys.readouterr().out
    disposal.refresh_from_db()
    assert disposal.stage == DisposalStage.CARRIED_OUT
