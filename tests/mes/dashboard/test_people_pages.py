"""People, documents and trainings through their pages: every signature shows its content, and is refused once that is old."""

from __future__ import annotations

import hashlib
import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from mes.choices import DocumentStage, Meaning, Role
from mes.models import (
    ControlledDocument,
    Curriculum,
    DocumentRevision,
    EventRecord,
    ReportingLine,
    RoleGrant,
    Signature,
    TrainingRecord,
)
from mes.services.training import approve_document, draft_document, require_training
from tests.devices.makers import PASSWORD, Staff, Who, make_person
from tests.mes.dashboard.conftest import Visit

pytestmark = pytest.mark.django_db
ACTION = "quality.record_post_process_step"
SECRET = {"password": PASSWORD}


def opened(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, answer.content.decode()
    return html.unescape(answer.content.decode())


def digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


def previewed(client: Client, url: str, **typed: str) -> str:
    """The digest of what the dialog shows once its fields are filled in."""
    answer = client.post(f"{url}preview/", typed)
    assert answer.status_code == 200, answer.content.decode()
    return digest_in(html.unescape(answer.content.decode()))


def sign(client: Client, who: Who, url: str, digest: str, **typed: str) -> Any:
    signing = {"username": who.username, "password": PASSWORD, "digest": digest}
    return client.post(url, typed | signing)


def draft(staff: Staff, revision: str = "A", number: str = "WI-12") -> DocumentRevision:
    return draft_document(
        number=number,
        title="Washing",
        revision=revision,
        file=f"wash {revision}".encode(),
        media_type="text/plain",
        actor=staff[Role.QCM].actor,
    )


def in_force(staff: Staff, revision: str = "A", number: str = "WI-12") -> DocumentRevision:
    row, approver = draft(staff, revision, number), staff[Role.QAR]
    return approve_document(revision_id=row.pk, actor=approver.actor, credentials=approver.typed())


# --- roles


@pytest.mark.requirement("ES-19")
@pytest.mark.requirement("P11-10d")
def test_a_role_is_proposed_approved_and_confirmed_over_what_is_shown(staff: Staff, as_: Visit) -> None:
    security, quality, person = staff[Role.SEC], staff[Role.QAR], make_person().person
    first, second = as_(security), as_(quality)
    url = f"/act/person/{person.pk}/propose-role/"
    assert "What you sign" in opened(first, url)
    typed = {
        "role": "INS",
        "reason": "Covers a leave",
        "valid_until": str(timezone.localdate() + timedelta(9)),
    }
    digest = previewed(first, url, **typed)
    assert sign(first, security, url, digest, **typed).status_code == 303
    grant = RoleGrant.objects.get(person=person)
    assert (grant.approved, grant.first_approval is not None) == (False, True)
    for verb, meaning in (("approve-role", Meaning.APPROVED), ("review-role", Meaning.REVIEWED)):
        dialog = f"/act/grant/{grant.pk}/{verb}/"
        page = opened(second, dialog)
        assert str(person) in page
        assert sign(second, quality, dialog, digest_in(page)).status_code == 303
        assert Signature.objects.filter(subject_type="mes.role_grant").latest("pk").meaning == meaning
    grant.refresh_from_db()
    assert grant.approved
    page = opened(second, f"/people/{person.pk}/")
    assert "Confirm" in page


@pytest.mark.requirement("ES-19")
@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_a_role_is_not_signed_over_what_nobody_saw(staff: Staff, as_: Visit, digest: str) -> None:
    security, quality, person = staff[Role.SEC], staff[Role.QAR], make_person().person
    first, second = as_(security), as_(quality)
    url = f"/act/person/{person.pk}/propose-role/"
    typed = {"role": "INS", "reason": "Covers a leave"}
    refused = sign(first, security, url, digest, **typed)
    assert (refused.status_code, RoleGrant.objects.filter(person=person).count()) == (409, 0)
    assert "ES-19" in refused.content.decode()
    sign(first, security, url, previewed(first, url, **typed), **typed)
    grant = RoleGrant.objects.get(person=person)
    dialog = f"/act/grant/{grant.pk}/approve-role/"
    assert sign(second, quality, dialog, digest).status_code == 409
    grant.refresh_from_db()
    assert not grant.approved
    sign(second, quality, dialog, digest_in(opened(second, dialog)))
    dialog = f"/act/grant/{grant.pk}/review-role/"
    assert sign(second, quality, dialog, digest).status_code == 409
    assert not Signature.objects.filter(meaning=Meaning.REVIEWED).exists()


@pytest.mark.requirement("ES-19")
def test_a_role_that_changed_after_its_dialog_was_opened_is_not_signed(staff: Staff, as_: Visit) -> None:
    security, quality, person = staff[Role.SEC], staff[Role.QAR], make_person().person
    first, second = as_(security), as_(quality)
    url = f"/act/person/{person.pk}/propose-role/"
    typed = {"role": "INS", "reason": "Covers a leave"}
    sign(first, security, url, previewed(first, url, **typed), **typed)
    grant = RoleGrant.objects.get(person=person)
    dialog = f"/act/grant/{grant.pk}/approve-role/"
    seen = digest_in(opened(second, dialog))
    RoleGrant.objects.filter(pk=grant.pk).update(valid_until=timezone.now() + timedelta(99))
    refused = sign(second, quality, dialog, seen)
    assert refused.status_code == 409
    assert "given for something else than this role is now" in refused.content.decode()
    grant.refresh_from_db()
    assert not grant.approved


@pytest.mark.requirement("G-SOD-01")
def test_nobody_is_led_to_confirm_their_own_role(staff: Staff, as_: Visit) -> None:
    quality, other = staff[Role.QAR], make_person(Role.INS).person
    client = as_(quality)
    assert "/review-role/" in opened(client, f"/people/{other.pk}/")
    assert "/review-role/" not in opened(client, f"/people/{quality.person.pk}/")


def test_a_role_is_revoked_with_a_reason(staff: Staff, as_: Visit) -> None:
    client, holder = as_(staff[Role.SEC]), make_person(Role.INS).person
    grant = holder.role_grants.get()
    url = f"/act/grant/{grant.pk}/revoke-role/"
    assert client.post(url, {"reason": " "} | SECRET).status_code == 422
    assert client.post(url, {"reason": "Left the room"}).status_code == 403
    grant.refresh_from_db()
    assert not grant.revoked
    assert client.post(url, {"reason": "Left the room"} | SECRET).status_code == 303
    grant.refresh_from_db()
    assert grant.revoked
    assert as_(staff[Role.OPR]).get(url).status_code == 403


# --- who answers for whom


@pytest.mark.requirement("P11-10d")
def test_a_manager_is_named_on_the_page_of_a_person(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.SEC])
    person, manager = make_person(name="Ada Low").person, make_person(name="Bo High").person
    assert "Nobody is named who answers" in opened(client, f"/people/{person.pk}/")
    url = f"/act/person/{person.pk}/name-manager/"
    page = opened(client, url)
    assert f'<option value="{person.pk}"' not in page
    assert client.post(url, {"manager": ""} | SECRET).status_code == 422
    assert client.post(url, {"manager": str(person.pk)} | SECRET).status_code == 422
    assert client.post(url, {"manager": str(manager.pk)} | SECRET).status_code == 303
    assert ReportingLine.objects.get(ended=False).manager == manager
    assert f"Answers to {manager}" in opened(client, f"/people/{person.pk}/")
    assert as_(staff[Role.OPR]).get(url).status_code == 403


# --- documents


@pytest.mark.requirement("P11-10k")
@pytest.mark.requirement("ES-19")
def test_a_document_is_drafted_approved_and_withdrawn(staff: Staff, as_: Visit) -> None:
    writer, quality = as_(staff[Role.QCM]), as_(staff[Role.QAR])
    assert "No controlled document yet" in opened(writer, "/training/documents/")
    fields = {"number": "WI-7", "title": "Curing", "revision": "A"}
    drafted = writer.post("/act/documents/new/draft-document/", fields | {"file": _file("a.txt")})
    assert (drafted.status_code, drafted["Location"]) == (303, "/training/WI-7/")
    url = "/act/revision/WI-7:A/approve-revision/"
    assert url in opened(quality, "/training/WI-7/")
    assert "rev A" in opened(quality, "/training/documents/?draft=on")
    typed = {"grace_days": "5", "effective_from": ""}
    for digest in ("", "0" * 64, previewed(quality, url, grace_days="4")):
        assert sign(quality, staff[Role.QAR], url, digest, **typed).status_code == 409
    assert DocumentRevision.objects.get().stage == DocumentStage.DRAFT
    digest = previewed(quality, url, **typed)
    assert sign(quality, staff[Role.QAR], url, digest, **typed).status_code == 303
    row = DocumentRevision.objects.get()
    assert (row.stage, row.grace_days) == (DocumentStage.APPROVED, 5)
    again = writer.post("/act/document/WI-7/draft-revision/", {"revision": "B", "file": _file("b.pdf")})
    assert again.status_code == 303
    assert ControlledDocument.objects.get().revisions.count() == 2
    gone = quality.post("/act/revision/WI-7:A/withdraw-revision/", {"reason": "Wrong temperature"})
    assert gone.status_code == 303
    assert "no revision is in force" in opened(quality, "/training/WI-7/")


def _file(name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"Cure for 30 minutes")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"number": "wi 7", "title": "x", "revision": "A", "file": "a.txt"}, "made of A to Z"),
        ({"number": "WI-7", "title": "", "revision": "A", "file": "a.txt"}, "Title is missing"),
        ({"number": "WI-7", "title": "x", "revision": "A", "file": "a.exe"}, "PDF or plain text"),
        ({"number": "WI-7", "title": "x", "revision": "A"}, "no file was sent"),
    ],
)
def test_a_faulty_document_is_refused_and_leaves_nothing(
    staff: Staff, as_: Visit, fields: dict[str, str], said: str
) -> None:
    sent: dict[str, Any] = dict(fields)
    if "file" in sent:
        sent["file"] = _file(sent["file"])
    answer = as_(staff[Role.QCM]).post("/act/documents/new/draft-document/", sent)
    assert (answer.status_code, ControlledDocument.objects.count()) == (422, 0)
    assert said in html.unescape(answer.content.decode())


@pytest.mark.requirement("G-SOD-01")
def test_who_wrote_a_revision_finds_no_way_to_approve_it(staff: Staff, as_: Visit) -> None:
    writer = make_person(Role.QAR)
    draft_document(
        number="WI-12", title="x", revision="A", file=b"x", media_type="text/plain", actor=writer.actor
    )
    answer = as_(writer).get("/act/revision/WI-12:A/approve-revision/")
    assert answer.status_code == 403
    assert "wrote this revision" in answer.content.decode()


# --- what is asked, and who lacks it


def test_an_action_asks_for_a_document_and_asks_no_longer(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.QAR])
    in_force(staff)
    staff[Role.PST]  # Somebody who carries the action.
    assert "No action asks for a training" in opened(client, "/training/needed/")
    asked = client.post("/act/document/WI-12/require-training/", {"action": ACTION, "reason": "New machine"})
    assert asked.status_code == 303
    page = opened(client, "/training/needed/")
    assert re.search(r'<strong class="ink-stop">1</strong>', page)
    curriculum = Curriculum.objects.get()
    assert "No such action" in opened(client, "/training/needed/?q=nothing+like+it")
    dropped = client.post(f"/act/curriculum/{curriculum.pk}/drop-training/", {"reason": "Taken apart"})
    assert dropped.status_code == 303
    assert "No action asks for a training" in opened(client, "/training/needed/")
    assert as_(staff[Role.OPR]).get("/act/document/WI-12/require-training/").status_code == 403


def assert_evidence_is_taken(client: Client, by: Who, record: TrainingRecord) -> None:
    """The file itself, as an attachment, and who took it."""
    address, digest = f"/trainings/{record.pk}/evidence/", str(record.evidence_id)
    answer = client.get(address)
    assert hashlib.sha256(b"".join(answer)).hexdigest() == digest
    assert answer["Content-Disposition"] == f'attachment; filename="WI-12-rev-A-training-{record.pk}.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    copies = EventRecord.objects.filter(type="mes.copy_taken", payload__contains=digest)
    assert [one.actor for one in copies] == [str(by.actor)]


@pytest.mark.requirement("P11-10i")
@pytest.mark.requirement("ES-19")
def test_a_training_is_recorded_with_its_evidence_over_what_is_shown(staff: Staff, as_: Visit) -> None:
    quality, learner = staff[Role.QAR], staff[Role.PST]
    client = as_(quality)
    row = in_force(staff)
    require_training(action=ACTION, document_id=row.document_id, actor=quality.actor, reason="New")
    assert opened(client, "/training/?missing=on").count(str(learner.person)) == 1
    attached = client.post("/act/revision/WI-12:A/attach-evidence/", {"file": _file("list.pdf")})
    assert attached.status_code == 303
    url, _, carried = attached["Location"].partition("?evidence=")
    assert f'value="{carried}"' in opened(client, attached["Location"])
    typed = {
        "person": str(learner.person.pk),
        "method": "shown",
        "result": "passed",
        "trained_on": str(timezone.localdate()),
        "expires_on": str(timezone.localdate() + timedelta(days=365)),
    }
    without = previewed(client, url, **typed)
    assert sign(client, quality, url, without, **typed, evidence=carried).status_code == 409
    assert sign(client, quality, url, "", **typed).status_code == 409
    assert TrainingRecord.objects.count() == 0
    digest = previewed(client, url, **typed, evidence=carried)
    assert sign(client, quality, url, digest, **typed, evidence=carried).status_code == 303
    record = TrainingRecord.objects.get()
    assert (record.person, record.evidence_id) == (learner.person, carried)
    assert record.signature.content_digest == digest
    for page in ("/training/WI-12/", f"/people/{learner.person.pk}/"):
        assert f"SHA-256 {carried}" in opened(client, page)
        assert f'href="/trainings/{record.pk}/evidence/"' in opened(client, page)
    assert_evidence_is_taken(client, quality, record)
    # A list names everybody who was there: nothing for who knows some people alone.
    assert as_(staff[Role.PRE]).get(f"/trainings/{record.pk}/evidence/").status_code == 404
    answer = client.get("/training/WI-12/A/")
    assert hashlib.sha256(b"".join(answer)).hexdigest() == row.file_id
    copies = EventRecord.objects.filter(type="mes.copy_taken", payload__contains=row.file_id)
    assert [one.actor for one in copies] == [str(quality.actor)]
    page = opened(client, "/training/?missing=on")
    assert "Nobody lacks a training" in page
    assert str(learner.person) in opened(client, "/training/")


@pytest.mark.requirement("P11-10d")
def test_who_may_not_know_everybody_sees_their_own_training_alone(staff: Staff, as_: Visit) -> None:
    """The page shows no name that the API hides, and links to nobody's page that would refuse."""
    quality, learner, prescriber = staff[Role.QAR], staff[Role.PST], staff[Role.PRE]
    row = in_force(staff)
    for action in (ACTION, "devices.submit_order"):
        require_training(action=action, document_id=row.document_id, actor=quality.actor, reason="New")
    page = opened(as_(prescriber), "/training/")
    assert (str(learner.person) in page, str(prescriber.person) in page) == (False, True)
    page = opened(as_(staff[Role.OPR]), "/training/")
    assert (str(learner.person) in page, f"/people/{learner.person.pk}/" in page) == (True, False)
    assert f"/people/{learner.person.pk}/" in opened(as_(quality), "/training/")


def test_nobody_records_their_own_training(staff: Staff, as_: Visit) -> None:
    quality = staff[Role.QAR]
    in_force(staff)
    client, url = as_(quality), "/act/revision/WI-12:A/record-training/"
    typed = {"person": str(quality.person.pk), "method": "read", "result": "passed"}
    refused = sign(client, quality, url, previewed(client, url, **typed), **typed)
    assert (refused.status_code, TrainingRecord.objects.count()) == (403, 0)


def test_the_empty_matrix_and_a_search_without_a_find_say_so(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.QAR])
    assert "No controlled document yet" in opened(client, "/training/")
    in_force(staff)
    assert "No document of that number" in opened(client, "/training/?document=ZZ")
    assert "No action asks for these documents" in opened(client, "/training/")
    assert "No such document" in opened(client, "/training/documents/?q=zzz")
    assert client.get("/training/WI-99/").status_code == 404
    assert client.get("/act/revision/WI-12:Z/approve-revision/").status_code == 404


def test_many_documents_and_people_are_paged_in_few_queries(
    staff: Staff, as_: Visit, django_assert_max_num_queries: Any
) -> None:
    row = in_force(staff)
    require_training(action=ACTION, document_id=row.document_id, actor=staff[Role.QAR].actor, reason="x")
    many = [ControlledDocument(number=f"SOP-{number:04d}", title="Many") for number in range(150)]
    ControlledDocument.objects.bulk_create(many)
    for _ in range(5):
        make_person(Role.PST)
    client = as_(staff[Role.QAR])
    client.get("/training/")
    with django_assert_max_num_queries(60):
        page = opened(client, "/training/documents/")
    assert "Page 1 of 2" in page
    assert "SOP-0149" in opened(client, "/training/documents/?page=2")
    with django_assert_max_num_queries(60):
        matrix = opened(client, "/training/")
    assert "91 more documents" in matrix


@pytest.mark.parametrize("page", ["/training/", "/training/documents/", "/training/needed/"])
def test_who_may_not_read_trainings_gets_no_page(staff: Staff, as_: Visit, page: str) -> None:
    assert as_(make_person()).get(page).status_code == 403
