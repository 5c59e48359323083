"""The bundle: whole, the same each time, for nobody but who may have it, and never of events without a seal."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.template.loader import render_to_string

from devices.models import Device
from mes.choices import Role
from mes.eventlog.leaves import LEAF_FIELDS
from mes.eventlog.unit import publish, unit_of_work
from mes.exceptions import InvalidInput, NotPermitted, Refused
from mes.models import EventRecord, HandwrittenSignature, Person, Signature
from mes.services.artefacts import artefact_path
from mes.services.signing_withdrawal import withdraw_signature
from printing.events import JobFinished
from printing.models import ParameterSet
from printing.selectors.qualification import qualification_signatures
from quality.choices import ExportKind, ExportStage
from quality.export import verify_record
from quality.models import Export, ExportedRecord, Gauge
from quality.reports.base import REPORTS
from quality.reports.page import page_of
from quality.selectors.record import events_in, jobs_of, streams_of, trail_of
from quality.services.bundle import Bundle, bundle_of
from quality.services.export import (
    cancel_export,
    export_next,
    export_to_folder,
    records_asked,
    request_export,
    take_bundle,
)
from tests.mes.makers import make_paper
from tests.quality.export.conftest import archive_of, seal
from tests.quality.makers import CANARY, SYSTEM, Staff, _lot, _order, acting, make_person, typed
from tests.servers import Cluster


def contents(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.requirement("P11-10b")
def test_the_same_record_gives_the_same_bytes_even_after_it_was_exported(
    own_archive: bytes, sealed: Device, tmp_path: Path
) -> None:
    (path,) = export_to_folder(
        kind=ExportKind.DEVICE, subject=sealed.code, folder=tmp_path / "out", actor=SYSTEM
    )
    assert path.name == f"DHR_{sealed.serial}.zip"
    assert path.read_bytes() == own_archive


@pytest.mark.requirement("P11-10b")
def test_nothing_of_the_record_is_left_out(archive: bytes, request: pytest.FixtureRequest) -> None:
    found = contents(archive)
    record = json.loads(found["record.json"])
    own = [event for event in record["events"] if event["stream_type"] == "devices.device"]
    assert [event["version"] for event in own] == list(range(1, len(own) + 1))
    assert {stream["type"] for stream in record["streams"]} >= {
        "devices.device", "devices.order", "devices.master", "devices.material", "printing.build", "printing.job",
        "printing.lot",
    }  # fmt: skip
    assert all(set(event) - {"changes"} == set(LEAF_FIELDS) for event in record["events"])
    assert record["changes"]
    assert not [change for change in record["changes"] if "mes_patient" in change["lines"]]
    lines = list(csv.reader(io.StringIO(found["audit.csv"].decode())))
    assert [int(line[0]) for line in lines[1:]] == [event["pos"] for event in record["events"]]
    manifest = json.loads(found["manifest.json"])
    assert {item["path"] for item in manifest["files"]} == set(found) - {"manifest.json", "manifest.sig"}
    for item in manifest["files"]:
        assert item["sha256"] == hashlib.sha256(found[item["path"]]).hexdigest()
    assert [link["device"] for link in json.loads(found["genealogy.json"])["links"]] == [record["device"]]
    assert found["verify_record.py"] == Path(verify_record.__file__).read_bytes()


@pytest.mark.requirement("P11-10h")
def test_what_measured_stands_in_the_bundle_with_its_certificate(archive: bytes, sealed: Device) -> None:
    found = contents(archive)
    record = json.loads(found["record.json"])
    gauge = Gauge.objects.get()
    calibration = gauge.calibrations.get()
    assert found[f"artefacts/{calibration.certificate_id}"].startswith(b"Certificate 1")
    assert {"type": "quality.gauge", "id": str(gauge.pk), "part": "whole"}.items() <= next(
        stream for stream in record["streams"] if stream["type"] == "quality.gauge"
    ).items()
    assert f"quality.gauge/{gauge.pk}" in {row["stream"] for row in record["rows"]}
    told = [event["type"] for event in record["events"] if event["stream_type"] == "quality.gauge"]
    assert told == ["quality.gauge_registered", "quality.gauge_calibrated", "quality.gauge_stage_changed"]
    assert calibration.signature_id in {
        row["id"] for row in json.loads(found["signatures.json"])["signatures"]
    }
    section = record["report"]["sections"]["L"]
    assert gauge.serial in json.dumps(section)
    changed = archive.replace(b"Certificate 1 of", b"Certificate 7 of")
    assert any(
        calibration.certificate_id in fault for fault in verify_record.Check(io.BytesIO(changed), []).run()
    )


@pytest.mark.requirement("ES-20")
@pytest.mark.requirement("P11-50b")
def test_a_paper_signed_by_hand_stands_in_the_bundle_with_scan_and_verifier(
    archive: bytes, sealed: Device
) -> None:
    found = contents(archive)
    record = json.loads(found["record.json"])
    (paper,) = HandwrittenSignature.objects.all()
    (shown,) = record["report"]["papers"]
    assert (shown["printed_name"], shown["scan"]) == ("Dr Paper Hand", paper.scan_id)
    assert shown["verified_by"] == str(Person.objects.get(role_grants__role=Role.RA))
    assert found[f"artefacts/{paper.scan_id}"] == make_paper()
    assert paper.verification_id in {row["id"] for row in json.loads(found["signatures.json"])["signatures"]}
    page = render_to_string(
        REPORTS["production_record"].template,
        page_of(record["report"], "", defaultdict(str)),
    )
    assert all(text in page for text in ("Dr Paper Hand", paper.scan_id, shown["verified_by"]))
    assert trail_of(sealed).last_pos == EventRecord.objects.get(type="mes.handwritten_verified").pos


@pytest.mark.requirement("P11-10b")
def test_the_parameter_set_stands_in_the_bundle_with_its_approval(archive: bytes) -> None:
    found = contents(archive)
    record = json.loads(found["record.json"])
    used = ParameterSet.objects.get()
    assert {"type": "printing.parameter_set", "id": str(used.pk), "part": "whole", "last": 1} in record[
        "streams"
    ]
    assert used.signature_id in {item["id"] for item in record["report"]["signatures"]}
    sets = [
        table for table in record["report"]["sections"]["G"]["tables"] if table["title"] == "Parameter sets"
    ]
    assert [row[-1] for table in sets for row in table["rows"]] == [used.signature_id]


@pytest.mark.requirement("P11-10b")
@pytest.mark.requirement("G-PRN-01")
@pytest.mark.requirement("ES-18")
def test_who_qualified_the_printer_by_signature_stands_in_the_bundle(
    cluster: Cluster, keys: Path, tmp_path: Path, released: Device, staff: Staff
) -> None:
    job = jobs_of(released).get()
    approved = qualification_signatures(job.printer)["installation"]
    fact = JobFinished(job_id=job.pk, build_id=job.build_id, layers=400, observed_late=True)
    unit_of_work(lambda: publish(job, fact, actor=SYSTEM))()
    taken_back = _withdrawn(released)
    seal(cluster, tmp_path)
    archive = archive_of(bundle_of(released))
    found = contents(archive)
    told = {item["id"]: item for item in json.loads(found["record.json"])["report"]["signatures"]}
    assert {told[key]["withdrawn_because"] for key in taken_back} == {"Given by mistake"}
    assert approved.pk in {row["id"] for row in json.loads(found["signatures.json"])["signatures"]}
    shown = json.loads(found["record.json"])["report"]["signatures"]
    assert approved.pk in {item["id"] for item in shown}
    assert verify_record.Check(io.BytesIO(archive), []).run() == []


def _withdrawn(device: Device) -> list[int]:
    """What the inspector and whoever approved the material take back lawfully: no alteration of the record (ES-18)."""
    verdict, approval = device.inspections.get().verdict.signature, device.material.approval
    assert approval is not None
    for signature in (verdict, approval):
        withdraw_signature(
            signature_id=signature.pk,
            reason="Given by mistake",
            actor=acting(signature.person),
            credentials=typed(signature.person),
        )
    return [verdict.pk]


@pytest.mark.requirement("K-13")
def test_no_bundle_says_who_the_patient_is(archive: bytes) -> None:
    for name, content in contents(archive).items():
        assert CANARY.encode() not in content, name
    pdf = contents(archive)["record.pdf"]
    assert not [1 for stream in verify_record.unpacked(pdf, len(pdf) * 20) if CANARY.encode() in stream]


@pytest.mark.requirement("P11-10b")
def test_every_signature_row_stands_in_the_bundle_with_every_column(bundle: Bundle) -> None:
    found = contents(archive_of(bundle))
    rows = json.loads(found["signatures.json"])["signatures"]
    shown = [item["id"] for item in json.loads(found["record.json"])["report"]["signatures"]]
    assert [row["id"] for row in rows] == shown
    assert rows
    for row in rows:
        assert set(row) == {field.attname for field in Signature._meta.concrete_fields}


@pytest.mark.requirement("P11-10b")
def test_what_no_seal_covers_is_named_and_not_exported(released: Device, keys: Path, tmp_path: Path) -> None:
    positions = list(events_in(streams_of(released)).values_list("pos", flat=True))
    with pytest.raises(Refused, match="UNSEALED") as refusal:
        export_to_folder(kind=ExportKind.DEVICE, subject=released.code, folder=tmp_path / "out", actor=SYSTEM)
    (reason,) = refusal.value.reasons
    assert str(positions[0]) in reason.text
    assert "--wait" in reason.cure
    assert not (tmp_path / "out").exists()
    failed = EventRecord.objects.get(type="quality.record_export_failed")
    assert "UNSEALED" in failed.payload


@pytest.mark.requirement("G-INT-01")
def test_an_altered_original_is_not_exported(sealed: Device, bundle: Bundle, tmp_path: Path) -> None:
    name = next(one.path for one in bundle.members if one.path.startswith("artefacts/")).partition("/")[2]
    path = artefact_path(name)
    before = path.read_bytes()
    path.chmod(0o640)
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        with pytest.raises(Refused, match=f"{name[:12]}.*altered"):
            bundle_of(sealed)
        path.rename(tmp_path / "away")
        with pytest.raises(Refused, match=f"{name[:12]}.*missing"):
            bundle_of(sealed)
    finally:
        path.write_bytes(before)


@pytest.mark.requirement("EV-10")
def test_an_export_is_a_chain_of_facts_written_one_device_at_a_time(sealed: Device, auditor: Person) -> None:
    export = request_export(
        kind=ExportKind.DEVICE, subject=sealed.code.lower(), actor=acting(auditor), reason="inspection"
    )
    assert (export.stage, export.done, export.total) == (ExportStage.REQUESTED, 0, 1)
    export_next(export.pk)()
    export.refresh_from_db()
    assert (export.stage, export.done) == (ExportStage.FINISHED, 1)
    row = take_bundle(export=export, sha256=export.records.get().bundle_id, actor=acting(auditor))
    assert row.name == f"DHR_{sealed.serial}.zip"
    told = EventRecord.objects.filter(stream_type="quality.export").order_by("pos")
    assert [event.type.partition(".")[2] for event in told] == [
        "record_export_requested", "record_exported", "record_export_finished", "record_bundle_taken",
    ]  # fmt: skip
    assert told[0].actor == told[3].actor == f"person:{auditor.pk}"
    assert told[0].reason == "inspection"
    assert json.loads(told[1].payload)["bundle_sha256"] == row.bundle_id
    assert export_next(export.pk)() is None


@pytest.mark.requirement("P11-10g")
def test_records_are_for_auditors_and_quality_alone(sealed: Device, staff: Staff, auditor: Person) -> None:
    with pytest.raises(InvalidInput, match="K-13"):
        request_export(
            kind=ExportKind.DEVICE, subject=sealed.code, actor=acting(auditor), reason=f"For {CANARY}"
        )
    export = request_export(kind=ExportKind.DEVICE, subject=sealed.code, actor=acting(auditor))
    for role in (Role.OPR, Role.PRE, Role.DSN, Role.MAT, Role.INS):
        for forbidden in (
            lambda who: request_export(kind=ExportKind.DEVICE, subject=sealed.code, actor=who),
            lambda who: cancel_export(export_id=export.pk, actor=who),
            lambda who: take_bundle(export=export, sha256="0" * 64, actor=who),
        ):
            with pytest.raises(NotPermitted):
                forbidden(acting(staff[role]))
    for role in (Role.QAR, Role.QAX, Role.RA):
        request_export(kind=ExportKind.DEVICE, subject=sealed.code, actor=acting(staff[role]))


def test_a_stopped_export_writes_no_more(sealed: Device, auditor: Person) -> None:
    export = request_export(kind=ExportKind.DEVICE, subject=sealed.code, actor=acting(auditor))
    effect = export_next(export.pk)
    cancel_export(export_id=export.pk, actor=acting(auditor))
    assert effect() is None
    export.refresh_from_db()
    assert (export.stage, export.records.count()) == (ExportStage.CANCELLED, 0)
    with pytest.raises(Refused, match="is over"):
        cancel_export(export_id=export.pk, actor=acting(auditor))


def test_devices_are_found_by_order_lot_and_days(sealed: Device) -> None:
    today = f"{sealed.created_at:%Y-%m-%d}"
    lot = sealed.build_items.get().build.jobs.get().consumptions.get().lot
    for kind, subject in (
        (ExportKind.ORDER, sealed.order.code),
        (ExportKind.LOT, lot.code),
        (ExportKind.RANGE, f"{today}/2999-01-01"),
    ):
        assert records_asked(kind, subject, SYSTEM) == [sealed]


@pytest.mark.requirement("P11-10b")
@pytest.mark.requirement("K-15")
def test_an_order_and_a_lot_that_no_device_came_of_are_exported_by_themselves(
    released: Device, staff: Staff, auditor: Person, cluster: Cluster, keys: Path, tmp_path: Path
) -> None:
    """A rejected order is kept for ten years: it can be copied as well, with its signatures, and is checked alone."""
    made = released.order
    order, (lot, _) = unit_of_work(
        lambda: (
            _order(staff, made.patient_id, made.master, released.material, 1),
            _lot(staff, released.material),
        )
    )()
    seal(cluster, tmp_path)
    for kind, subject, meaning in (
        (ExportKind.ORDER, order, "prescribed"),
        (ExportKind.LOT, lot, "approved"),
    ):
        assert records_asked(kind, subject.code, acting(auditor)) == [subject]
        export = request_export(kind=kind, subject=subject.code, actor=acting(auditor), reason="x")
        row = export_next(export.pk)()
        export.refresh_from_db()
        assert isinstance(row, ExportedRecord), export.refusal
        assert (export.stage, export.done, export.total, row.device) == (ExportStage.FINISHED, 1, 1, None)
        assert take_bundle(export=export, sha256=row.bundle_id, actor=acting(auditor)) == row
        archive = artefact_path(row.bundle_id).read_bytes()
        check = verify_record.Check(io.BytesIO(archive))
        assert check.run() == []
        assert f"Record '{subject.code}'" in " ".join(check.said)
        record = json.loads(contents(archive)["record.json"])
        assert meaning in {item["meaning"] for item in record["report"]["signatures"]}
        assert contents(archive)["record.json"].count(CANARY.encode()) == 0
        edit = {**record, "rows": [{**record["rows"][0], "content": "{}"}]}
        check.texts["record.json"] = verify_record.canonical(edit)
        assert check.findings(check.rows)
    outside = make_person("Outside", Role.AUD)
    Person.objects.filter(pk=outside.pk).update(external=True)
    with pytest.raises(InvalidInput):
        records_asked(ExportKind.ORDER, order.code, acting(outside))


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (ExportKind.DEVICE, "D0000099"),
        (ExportKind.DEVICE, "../etc"),
        (ExportKind.DEVICE, "O0000001"),
        (ExportKind.DEVICE, "D" + "9" * 40),
        (ExportKind.ORDER, "O٣"),
        (ExportKind.LOT, ""),
        (ExportKind.RANGE, "2026-02-01/2026-01-01"),
        (ExportKind.RANGE, "2026-02-01"),
        (ExportKind.RANGE, "2026-02-30/2026-03-01"),
        (ExportKind.RANGE, "1999-01-01/1999-12-31"),
        (ExportKind.RANGE, "1999-01-01/9999-12-31"),
    ],
)
def test_a_subject_that_is_none_is_refused_with_a_cure(db: None, kind: ExportKind, subject: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        records_asked(kind, subject, SYSTEM)
    assert refusal.value.reasons[0].cure


def test_the_command_writes_into_a_folder_and_says_why_not(
    released: Device, cluster: Cluster, keys: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        call_command("export_record", released.code, "--out", str(out))
    assert ended.value.code == 1
    assert "P11-10b: UNSEALED" in capsys.readouterr().err
    (tmp_path / "a file").touch()
    with pytest.raises(SystemExit):
        call_command("export_record", released.code, "--out", str(tmp_path / "a file" / "below"))
    assert "a file is no folder" in capsys.readouterr().err
    seal(cluster, tmp_path)
    call_command("export_record", "--order", released.order.code, "--out", str(out))
    path = out / f"DHR_{released.serial}.zip"
    assert capsys.readouterr().out == f"{path}\n"
    assert sorted(file.name for file in out.iterdir()) == [path.name, "verify_record.py"]
    assert (out / "verify_record.py").read_bytes() == Path(verify_record.__file__).read_bytes()
    assert verify_record.main([str(path)]) == 0
    assert Export.objects.get(kind="order").stage == ExportStage.FINISHED
