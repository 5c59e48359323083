"""The role × route matrix, run for real: one person per role, and those who have no business here, at every door."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from io import BytesIO
from typing import Any
from zipfile import ZipFile
from zlib import crc32

import pytest
from django.core.management import get_commands
from django.db import transaction
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from devices.choices import Stage
from devices.models import Device
from devices.services.assignments import assign_person
from mes.choices import Meaning, Role
from mes.models import (
    Account,
    Artefact,
    Curriculum,
    Delivery,
    Disposal,
    DocumentRevision,
    EmergencyAccess,
    ErasureRequest,
    Patient,
    RestoreDrill,
    Signature,
    SigningEnrolment,
)
from mes.permissions import PERMISSIONS
from mes.services.artefacts import store_artefact
from mes.services.emergency import break_glass, end_emergency_access
from mes.services.erasure import request_erasure
from mes.services.holds import place_hold
from mes.services.people import grant_role, open_account, register_person
from mes.services.safekeeping import record_drill
from mes.services.signing_handwritten import upload_handwritten
from mes.services.training import approve_document, draft_document, require_training
from printing.choices import CommandKind
from printing.consumers import _stands
from printing.models import Build, PrinterCommand, PrinterContact
from printing.slicing.buildfile import mask_name
from quality.choices import ExportKind, Severity, Source
from quality.models import ExportedRecord
from quality.services.export import request_export
from quality.services.nonconformance import open_nonconformance
from tests.architecture import access
from tests.architecture.access import Call, every_call
from tests.quality.makers import (
    PASSWORD,
    SYSTEM,
    Staff,
    acting,
    make_built_device,
    make_measured,
    make_person,
    typed,
)

pytestmark = pytest.mark.django_db
STRANGERS = ("other-PRE", "other-CLR", "external-DSN", "no-role", "program")
PARTS = 4
COLUMNS = [*(role.value for role in Role), *STRANGERS]
FILES = ("{file}", "{bundle}", "/scan/")
OWN = ("devices", "mes", "printing", "quality")
CONSOLE = {
    "backup", "catalogue", "confirm_drill", "demo", "dispose", "drill", "enrol", "erase_patient", "export_record", "fleet", "prepare_database",
    "rebase_history",
    "relay", "restore", "rotate_vault_key", "scrub", "seal", "simulate", "tick", "up", "validation", "verify",
}  # fmt: skip
"""Commands act as the machine's own account, never as a person: whoever may start one holds the machine already."""


@dataclass(frozen=True)
class Story:
    """The objects that every call is about, by the name in its braces, and who is who."""

    names: dict[str, str]
    clients: dict[str, Client]
    cookies: dict[str, dict[str, str]]

    @property
    def telling(self) -> tuple[bytes, ...]:
        """What only the order's own pages say."""
        return tuple(self.names[name].encode() for name in ("device", "order", "serial", "build", "job"))


def _story() -> Story:
    staff = Staff({role: make_person(f"Person {role.value}", role) for role in Role})
    device = make_built_device(staff, stage=Stage.AWAITING_INSPECTION)
    assign_person(
        order_id=device.order_id,
        person_id=staff[Role.CLR].pk,
        role=Role.CLR,
        actor=acting(staff[Role.ORD]),
    )
    measured = make_measured(staff, device)
    finding = open_nonconformance(
        device_id=device.pk,
        source=Source.PERSON,
        requirement="x",
        description="x",
        severity=Severity.MAJOR,
        actor=acting(staff[Role.INS]),
    )
    item = device.build_items.get()
    Build.objects.filter(pk=item.build_id).update(file=_build_file())
    job = item.build.jobs.get()
    PrinterContact.objects.create(printer=job.printer)
    revision, curriculum = _document(staff)
    emergency, erasure = _privacy(staff, device.order.patient)
    kept = _kept(staff, device) | _exported(staff, device)
    command = PrinterCommand.objects.create(job=job, printer=job.printer, kind=CommandKind.START)
    study, design = device.studies.get(), device.current_design
    assert design is not None
    names = {
        "device": device.code, "order": device.order.code, "serial": device.serial, "build": item.build.code,
        "job": job.code, "lot": job.container.lot.code, "container": job.container.label, "printer": job.printer.code,
        "parameters": item.build.parameters.code, "finding": finding.code, "inspection": str(measured.pk),
        "study": str(study.pk), "master": str(device.master_id), "material": str(device.material_id),
        "command": str(command.uid), "delivery": str(Delivery.objects.values_list("pk", flat=True).first()),
        "key": "1", "file": str(design.mesh_id), "person": str(staff[Role.OPR].pk),
        "grant": str(staff[Role.OPR].role_grants.get().pk), "document": "WI-1",
        "patient": device.order.patient.token, "emergency": emergency.code, "erasure": erasure.code,
        "account": str(staff[Role.OPR].accounts.get().pk), "revision": "WI-1:A", "revision-number": str(revision.pk),
        "curriculum": str(curriculum.pk), "drill": str(_drill().pk),
        "enrolment": str(SigningEnrolment.objects.get(person=staff[Role.OPR]).pk), **kept,
    }  # fmt: skip
    clients = {column: _signed_in(_account(column, staff)) for column in COLUMNS}
    cookies = {
        column: {name: morsel.value for name, morsel in client.cookies.items()}
        for column, client in clients.items()
    }
    return Story(names, clients, cookies)


def _privacy(staff: Staff, patient: Patient) -> tuple[EmergencyAccess, ErasureRequest]:
    """An access of the operator's that has ended, and a request that waits."""
    operator = acting(staff[Role.OPR])
    access_ = break_glass(patient=patient, actor=operator, reason="The label of the device is torn")
    emergency = end_emergency_access(access_id=access_.pk, actor=operator)
    asked = request_erasure(patient=patient, reason="By letter", actor=acting(staff[Role.PRV]))
    return emergency, asked


def _kept(staff: Staff, device: Device) -> dict[str, str]:
    """A hold on the order, a disposal of it that waits, a paper about the device, and a signature on its design."""
    hold = place_hold(
        subject=device.order,
        reason="x",
        requester="Counsel",
        review_on=timezone.localdate(),
        actor=acting(staff[Role.REC]),
    )
    disposal = Disposal.objects.create(
        record_root="devices.order", record_id=str(device.order_id), certificate=f'{{"code":"{device.code}"}}'
    )
    paper = upload_handwritten(
        subject=device,
        printed_name="x",
        meaning=Meaning.REVIEWED,
        executed_on=timezone.localdate(),
        scan=store_artefact(b"%PDF-1.7", media_type="application/pdf"),
        actor=acting(staff[Role.QAR]),
    )
    signed = Signature.objects.filter(subject_type="devices.device", subject_id=str(device.pk)).latest("pk")
    return {
        "hold": hold.code,
        "disposal": disposal.code,
        "handwritten": str(paper.pk),
        "signature": str(signed.pk),
    }


def _exported(staff: Staff, device: Device) -> dict[str, str]:
    """An export that has one bundle, and goes on."""
    actor = acting(staff[Role.QAR])
    export = request_export(kind=ExportKind.DEVICE, subject=device.code, actor=actor, reason="x")
    bundle = store_artefact(b"a bundle", media_type="application/zip")
    ExportedRecord.objects.create(
        export=export, device=device, bundle=bundle, record_sha256="0" * 64, name="x.zip", events=1
    )
    return {"export": export.code, "bundle": bundle.pk}


def _drill() -> RestoreDrill:
    outcome = {
        "backup": "x",
        "restored_to": "x",
        "digest_match": True,
        "events": 1,
        "tree_size": 1,
        "seconds": 1.0,
    }
    return record_drill(of=outcome)


def _document(staff: Staff) -> tuple[DocumentRevision, Curriculum]:
    """A revision in force, and an action of nobody in the story that asks for it."""
    row = draft_document(
        number="WI-1",
        title="x",
        revision="A",
        file=b"x",
        media_type="text/plain",
        actor=acting(staff[Role.QCM]),
    )
    quality = acting(staff[Role.QAR])
    approve_document(revision_id=row.pk, actor=quality, credentials=typed(staff[Role.QAR]))
    asked = require_training(
        action="mes.carry_out_disposal", document_id=row.document_id, actor=quality, reason="x"
    )
    return row, asked


class _Named(dict[str, str]):
    """A name that the story has no object for leads nowhere: 404 for everybody, which a reviewer sees in the row."""

    def __missing__(self, name: str) -> str:
        return "none"


def _build_file() -> Artefact:
    """A build file with one layer, for the door to layers."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr(mask_name(0), b"a picture")
    return store_artefact(file.getvalue(), media_type="application/zip")


def _account(column: str, staff: Staff) -> Account:
    if column in Role.values:
        return staff[Role(column)].accounts.get()
    if column == "program":
        return open_account(username="program", password=PASSWORD, person=None, actor=SYSTEM)
    person = register_person(full_name=column, actor=SYSTEM, external=column.startswith("external"))
    if column != "no-role":
        grant_role(person=person, role=Role(column[-3:]), actor=SYSTEM)
    return open_account(username=column, password=PASSWORD, person=person, actor=SYSTEM)


def _signed_in(account: Account) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(account)
    return client


def _outcome(story: Story, column: str, call: Call) -> str:
    client, signed_in = story.clients[column], story.cookies[column]
    client.cookies = SimpleCookie(signed_in)
    if call.method == "SOCKET":
        return "+" if _stands(str(client.session.session_key)) else "-"
    address = call.template.format_map(_Named(story.names))
    with transaction.atomic():
        answer: Any = client.generic(call.method, address, "{}", content_type="application/json")
        sent = b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    if answer.status_code >= 500:
        return "!"
    if answer.status_code in (401, 403):
        return "-"
    if answer.status_code == 404:
        return "."
    told = sent + str(answer.headers.get("Location", "")).encode()
    return (
        "+"
        if call.method != "GET" or any(name in call.template for name in FILES) or _tells(story, told)
        else "o"
    )


def _tells(story: Story, sent: bytes) -> bool:
    """Whether something of the order is told; the samples of codes in fields are nobody's."""
    said = re.sub(rb'(placeholder|title)="[^"]*"', b"", sent)
    return any(word in said for word in story.telling)


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    columns, rows = access.read()
    assert columns == COLUMNS
    assert sorted(rows) == sorted(str(call) for call in every_call())
    for row, symbols in rows.items():
        assert len(symbols) == len(columns), row
        assert set(symbols) <= set(access.SYMBOLS), row


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.requirement("P11-10d")
@pytest.mark.requirement("P11-10g")
def test_the_doors_are_as_their_rows_say(part: int) -> None:
    """One column for each answer of each row, another one in each row; `make soak` asks every column of every row."""
    story = _story()
    _, rows = access.read()
    wrong = {
        (str(call), column): found
        for call in every_call()[part::PARTS]
        for column, told in _one_of_each(str(call), rows[str(call)])
        if (found := _outcome(story, column, call)) != told
    }
    assert wrong == {}


def _one_of_each(row: str, cells: str) -> Iterator[tuple[str, str]]:
    """A column for each symbol of a row, spread over the columns by the row's own name."""
    for symbol in sorted(set(cells)):
        columns = [column for column, cell in zip(COLUMNS, cells, strict=True) if cell == symbol]
        yield columns[crc32(row.encode()) % len(columns)], symbol


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_cell_of_every_row(part: int) -> None:
    """The whole matrix, which is also written anew by LAMINA_TEST_ACCESS=write."""
    story = _story()
    calls = every_call()[part::PARTS]
    found = {str(call): "".join(_outcome(story, column, call) for column in COLUMNS) for call in calls}
    if os.environ.get("LAMINA_TEST_ACCESS") == "write":
        access.write(COLUMNS, found)
    assert {row: cells for row, cells in found.items() if "!" in cells} == {}
    _, rows = access.read()
    assert {row: cells for row, cells in found.items() if rows[row] != cells} == {}


def _cells() -> Iterator[tuple[str, str, str]]:
    columns, rows = access.read()
    for row, symbols in rows.items():
        for column, symbol in zip(columns, symbols, strict=True):
            yield row, column, symbol


def test_no_row_lets_in_a_role_that_the_action_does_not_name() -> None:
    """The file cannot be talked round: what the view declares bounds what a reviewer may accept."""
    wrong = []
    for row, column, symbol in _cells():
        needed = _needed(row)
        if symbol == "+" and needed is not None and column in Role.values and Role(column) not in needed:
            wrong.append((row, column))
    assert wrong == []


def _needed(row: str) -> frozenset[Role] | None:
    method, template = row.split(" ", 1)
    if not template.startswith("/api/") or method == "SOCKET":
        return None
    names = dict.fromkeys(
        ("device", "order", "build", "job", "lot", "printer", "parameters", "finding", "export"), "D0000001"
    )
    names |= dict.fromkeys(
        ("inspection", "study", "master", "material", "key", "revision-number", "curriculum", "enrolment"),
        "1",
    )
    names |= dict.fromkeys(("signature", "handwritten"), "1")
    names |= {
        "container": "CX78KCDMJ2",
        "command": "00000000-0000-0000-0000-000000000000",
        "file": "0" * 64,
        "bundle": "0" * 64,
    }
    view: Any = resolve(template.format(**names)).func
    verb = getattr(view, "actions", {}).get(method.lower(), method.lower())
    action = getattr(view.cls, "permits", {}).get(verb)
    return PERMISSIONS[action].roles if action else None


STORY = (
    "{device}",
    "{order}",
    "{build}",
    "{job}",
    "{serial}",
    "{finding}",
    "{inspection}",
    "{study}",
    "{command}",
    "{signature}",
    "{handwritten}",
    "{hold}",
    "{disposal}",
    "{export}",
    "{bundle}",
)


DUTIES = {("GET /deliveries/{delivery}/", Role.SYS.value)}
"""An operator of the deliveries is told the code of the record that one holds up, and nothing that stands in it."""


@pytest.mark.requirement("P11-10d")
def test_who_is_not_on_an_order_is_shown_nothing_of_it_at_any_door() -> None:
    """The other prescriber, the unassigned reviewer, the external engineer, administrators, programs: 404 or nothing."""
    apart = {*STRANGERS, Role.SEC.value, Role.SYS.value}
    shown = [
        (row, column)
        for row, column, symbol in _cells()
        if column in apart and symbol == "+" and any(name in row for name in STORY)
    ]
    assert shown == []
    lists = [
        cell
        for cell in _cells()
        if cell[1] in apart and cell[2] == "+" and cell[0].startswith("GET") and cell[:2] not in DUTIES
    ]
    assert lists == []


def test_what_does_not_exist_for_somebody_is_404_and_not_403() -> None:
    found = [
        (row, column)
        for row, column, symbol in _cells()
        if column in ("other-PRE", "other-CLR", "external-DSN") and symbol == "-" and row.startswith("GET")
        and "{device}" in row
    ]  # fmt: skip
    assert found == []


def test_no_command_acts_as_a_person() -> None:
    ours = {name for name, app in get_commands().items() if app in OWN}
    assert ours <= CONSOLE
