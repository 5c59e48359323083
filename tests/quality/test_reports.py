"""The production record: complete, deterministic, without identity, and a PDF that fetches nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string

from devices.choices import Stage
from devices.models import Design, Device
from mes.choices import Role
from mes.eventlog.base import digest_of
from mes.models import EventRecord
from mes.services.artefacts import artefact_path
from printing.models import Printer, PrintJob
from quality.models import Report
from quality.reports.base import NOT_APPLICABLE, NOT_YET, REPORTS, record_bytes
from quality.reports.making import machines
from quality.reports.origin import prescription
from quality.reports.page import page_of, text_of
from quality.reports.pdf import AddressRefused, SignatureLeftOut, write_pdf
from quality.services.reports import render_production_record
from tests.quality.makers import CANARY, Staff, make_built_device
from tests.quality.test_release import release, reviewed
from tests.scenes import told

LETTERS = list("ABCDEFGHIJKLMNOPQR")


def gathered(device: Device, last_pos: int | None = None) -> dict[str, Any]:
    last = last_pos or EventRecord.objects.order_by("pos").last().pos  # type: ignore[union-attr] # there are events
    return dict(REPORTS["production_record"].gather(Device.objects.get(pk=device.pk), last))


@pytest.fixture
def released(db: None) -> Device:
    """The scene of the tests that ask for it."""
    number = told("released")
    assert isinstance(number, int)
    return Device.objects.get(pk=number)


def released_at() -> int:
    """The place of the release in the log."""
    return EventRecord.objects.get(type="quality.device_released").pos


@pytest.fixture
def written(released: Device) -> Report:
    return render_production_record(released.pk, last_pos=released_at())()


def test_a_released_device_has_its_record_as_pdf_and_json(written: Report) -> None:
    text = artefact_path(written.json).read_bytes()
    pdf = artefact_path(written.pdf)
    record = json.loads(text)
    assert written.json_id == hashlib.sha256(text).hexdigest()
    assert sorted(record["sections"]) == LETTERS
    assert record["status"] == "released"
    assert record["notice"] == "TRAINING - NOT FOR CLINICAL USE"
    rendered = EventRecord.objects.filter(type="quality.production_record_rendered")
    assert rendered.filter(payload__contains=written.pdf_id).count() == 1

    shown = pdf_text(pdf)
    pages = shown.split("\f")[:-1]
    assert len(pages) > 3
    for page in pages:
        assert f"SHA-256 {written.json_id}" in page
    assert all("TRAINING - NOT FOR CLINICAL USE" in page for page in pages)
    assert f"Page {len(pages)} of {len(pages)}" in pages[-1]
    for signature in record["signatures"]:
        assert signature["printed_name"] in shown
        assert signature["content_digest"] in shown.replace("\n", "")
    assert CANARY not in shown
    assert CANARY.encode() not in text
    assert CANARY.encode() not in plain_streams(pdf.read_bytes())


def pdf_text(path: Path) -> str:
    return subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], check=True, capture_output=True, text=True
    ).stdout


def plain_streams(pdf: bytes) -> bytes:
    """Every compressed stream of a PDF, unpacked: attachments and metadata too."""
    found = [pdf]
    for part in pdf.split(b"stream\n")[1:]:
        try:
            found.append(zlib.decompress(part))
        except zlib.error:
            continue
    return b"".join(found)


@pytest.mark.requirement("P11-50a")
def test_every_signature_stands_with_name_meaning_and_both_times(released: Device) -> None:
    record = gathered(released, released_at())
    meanings = [item["meaning"] for item in record["signatures"]]
    for meaning in (
        "prescribed",
        "approved",
        "reviewed",
        "design_approved",
        "verified",
        "performed",
        "released",
    ):
        assert meaning in meanings
    for item in record["signatures"]:
        assert item["printed_name"].endswith(", MSc")
        assert item["statement"]
        assert item["signed_at_utc"].endswith("Z")
        assert item["signed_at_local"][-6:] in ("+01:00", "+02:00")
        assert item["timezone"] == "Europe/Berlin"
        assert item["intact"]


def test_the_record_tells_every_event_and_every_gate_s_answer(released: Device) -> None:
    record = gathered(released, released_at())
    own = [item for item in record["events"] if item["stream"] == f"devices.device/{released.pk}"]
    assert [item["version"] for item in own] == list(range(1, len(own) + 1))
    assert {"printing.job_finished", "printing.lot_released", "devices.master_published"} <= {
        item["type"] for item in record["events"]
    }
    asked = {(item["asked_for"], item["gate"]) for item in record["gates"]}
    assert {
        ("release", "G-REL-02"),
        ("pass_inspection", "G-INS-01"),
        ("finish_post_processing", "G-PST-01"),
    } <= asked
    named = {item["sha256"] for item in record["files"]}
    assert released.current_design is not None
    assert {released.current_design.mesh_id, record["sections"]["L"]["pictures"][0]["sha256"]} <= named
    assert all(item["size"] is not None for item in record["files"])


def test_the_same_log_gives_the_same_bytes_and_an_older_position_the_older_record(staff: Staff) -> None:
    device = reviewed(staff)
    before = EventRecord.objects.order_by("pos").last()
    assert before is not None
    shown = record_bytes(gathered(device, before.pos))
    assert shown == record_bytes(gathered(device, before.pos))
    release(staff, device)
    assert record_bytes(gathered(device, before.pos)) == shown
    after = gathered(device)
    assert after["status"] == "released"
    assert digest_of(after) != digest_of(json.loads(shown))


def test_what_is_absent_is_said(staff: Staff) -> None:
    device = make_built_device(staff)
    sections = gathered(device)["sections"]
    assert sorted(sections) == LETTERS
    assert sections["K"]["state"] == NOT_YET
    assert sections["L"]["state"] == NOT_YET
    assert sections["M"]["note"] == "None."
    assert sections["N"]["state"] == NOT_APPLICABLE
    assert sections["P"]["state"] == NOT_YET
    assert sections["Q"]["state"] == NOT_YET


def test_a_clinical_record_carries_no_training_notice(staff: Staff) -> None:
    device = make_built_device(staff, clinical=True, stage=Stage.BUILT)
    assert gathered(device)["notice"] == ""


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/picture.png",
        "https://example.org/picture.png",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://127.0.0.1/picture.png",
    ],
)
def test_a_page_that_wants_to_fetch_is_refused(address: str) -> None:
    record: dict[str, Any] = {"signatures": []}
    for html in (
        f'<img src="{address}">',
        f'<link rel="stylesheet" href="{address}">',
        f'<style>body {{ background: url("{address}") }}</style>x',
        f'<link rel="attachment" href="{address}">',
    ):
        with pytest.raises(AddressRefused) as refusal:
            write_pdf(html, record=record, attached=b"{}", title="x")
        assert "root:" not in str(refusal.value)


@pytest.mark.requirement("P11-50a", "P11-50b")
def test_print_without_signature_block_impossible(staff: Staff) -> None:
    record = gathered(make_built_device(staff))
    pictures = dict.fromkeys(
        [item["sha256"] for section in record["sections"].values() for item in section["pictures"]], "data:,"
    )
    html = render_to_string(REPORTS["production_record"].template, page_of(record, "0" * 64, pictures))
    first = record["signatures"][0]["id"]
    assert f'data-signature="{first}"' in html
    with pytest.raises(SignatureLeftOut, match=str(first)):
        write_pdf(html.replace(f'data-signature="{first}"', ""), record=record, attached=b"{}", title="x")


def test_text_from_the_record_cannot_become_markup(staff: Staff) -> None:
    record = gathered(make_built_device(staff))
    record["device_type"] = "<script>alert(1)</script><img src=file:///etc/passwd>"
    pictures = dict.fromkeys(
        [item["sha256"] for section in record["sections"].values() for item in section["pictures"]], "data:,"
    )
    html = render_to_string(REPORTS["production_record"].template, page_of(record, "0" * 64, pictures))
    assert "<script>" not in html
    assert "<img src=file" not in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EM DASH}"),
        (True, "yes"),
        (0.123456, "0.1235"),
        (12.0, "12"),
        ([1.5, None], "1.5, \N{EM DASH}"),
        ([[1, 2], [3, 4]], "1, 2 | 3, 4"),
        ({"lower_hu": 300.0}, "lower hu: 300"),
        ("2026-11-22T10:00:00.123456Z", "2026-11-22 10:00:00 UTC"),
        ("2026-11-22T11:00:00+01:00", "2026-11-22 11:00:00 +01:00"),
        ("-0", "-0"),
    ],
)
def test_values_become_text(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.requirement("P11-10e")
def test_who_stated_a_characteristic_is_named_and_not_numbered(staff: Staff) -> None:
    device = make_built_device(staff)
    (grid,) = prescription(device).grids
    assert [row[-1] for row in grid.rows] == [str(staff[Role.PRE])]


def cells_of(record: dict[str, Any], letter: str, title: str) -> list[dict[str, Any]]:
    """The rows of a table of the record, each by its columns."""
    section = record["sections"][letter]
    table = next(table for table in section["tables"] if table["title"] == title)
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


@pytest.mark.requirement("G-PRT-01")
def test_the_record_says_that_the_printed_file_is_the_verified_one(released: Device) -> None:
    (row,) = cells_of(gathered(released, released_at()), "J", "Jobs")
    assert row["digest the machine reported"]
    assert row["is the verified file"] is True
    assert row["end seen"] == "as it happened"
    for wrong in ("f" * 64, ""):
        PrintJob.objects.filter(build__items__device=released).update(file_digest_seen=wrong)
        (row,) = cells_of(gathered(released, released_at()), "J", "Jobs")
        assert row["is the verified file"] is False


@pytest.mark.requirement("G-PRT-01")
def test_an_end_that_nobody_saw_stands_in_the_record_with_the_silence(released: Device) -> None:
    gap = {"since": "2026-03-01T10:00:00+00:00", "until": "2026-03-01T10:02:00+00:00", "within_limit": True}
    PrintJob.objects.filter(build__items__device=released).update(observed_late=True, gaps=[gap])
    record = gathered(released, released_at())
    (row,) = cells_of(record, "J", "Jobs")
    assert row["end seen"] == "only afterwards"
    (unheard,) = cells_of(record, "J", "Not heard")
    assert (unheard["since"], unheard["until"]) == (gap["since"], gap["until"])
    assert unheard["within the limit"] is True
    assert "No pause" not in record["sections"]["J"]["note"]


@pytest.mark.requirement("ES-08")
def test_a_record_gives_one_time_of_release_the_signature_s(released: Device) -> None:
    record = gathered(released, released_at())
    signature = next(item for item in record["signatures"] if item["meaning"] == "released")
    facts = {fact["key"]: fact["value"] for fact in record["sections"]["P"]["facts"]}
    assert facts["released_at"] == signature["signed_at_utc"]
    assert EventRecord.objects.get(pos=released_at()).occurred_at != signature["signed_at_utc"]


def test_what_was_asked_for_and_what_was_measured_have_names_of_their_own(released: Device) -> None:
    Design.objects.filter(device=released).update(
        values={"depth_mm": 10.0}, measures={"depth_mm": 31.9999, "volume_ml": 2.8}
    )
    record = gathered(released, released_at())
    asked = {row["name"]: row["value"] for row in cells_of(record, "F", "Parameters")}
    measured = {row["name"]: row["value"] for row in cells_of(record, "F", "Measured on the surface")}
    assert asked == {"depth_mm": 10.0}
    assert measured == {"overall_depth_mm": 31.9999, "volume_ml": 2.8}


@pytest.mark.requirement("G-PRN-05")
def test_the_record_states_the_printer_as_it_was_when_the_job_was_started(staff: Staff) -> None:
    device = make_built_device(staff)
    job = PrintJob.objects.get(build__items__device=device)
    (before,) = machines([job]).grids
    Printer.objects.filter(pk=job.printer_id).update(
        firmware="sim-9.9-beta", serial="other", calibrated_until="2099-12-28", qualified_until="2099-12-28"
    )
    assert machines([PrintJob.objects.get(pk=job.pk)]).grids == (before,)
    (row,) = before.rows
    assert dict(zip(before.columns, row, strict=True))["firmware"] == "1"
