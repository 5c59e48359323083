"""Documents, curricula, trainings, withdrawals, enrolments and papers over the API: what their pages do, for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mes.choices import DocumentStage, Meaning, Role
from mes.models import (
    CertificationLetter,
    Curriculum,
    DocumentRevision,
    HandwrittenSignature,
    Person,
    Signature,
    SigningEnrolment,
    TrainingRecord,
)
from mes.standing import is_withdrawn
from printing.models import Build
from tests.devices.makers import PASSWORD, Staff, Who, make_order, make_person, submitted
from tests.flows.clients import Client
from tests.mes.makers import make_account, make_paper
from tests.mes.makers import make_person as make_plain_person
from tests.printing.makers import make_build, make_parameters

pytestmark = pytest.mark.django_db
ACTION = "quality.record_post_process_step"


@pytest.fixture
def staff() -> Staff:
    return Staff()


def typed(who: Who, **more: Any) -> dict[str, Any]:
    return {"username": who.username, "password": PASSWORD} | more


def file(name: str = "wi.txt", kind: str = "text/plain", content: bytes = b"Wash it") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, kind)


def drafted(staff: Staff) -> dict[str, Any]:
    fields = {"number": "WI-3", "title": "Wash", "revision": "A", "file": file()}
    made: dict[str, Any] = Client(staff[Role.QCM]).send("document-revisions/", fields, 201)
    return made


@pytest.mark.requirement("P11-10k", "ES-19")
def test_a_document_is_drafted_and_approved_over_what_was_asked_for(staff: Staff) -> None:
    made, quality = drafted(staff), staff[Role.QAR]
    client, url = Client(quality), f"document-revisions/{made['id']}/"
    values = {"grace_days": 3}
    shown = client.post(f"{url}to-sign/", values)
    assert (shown["content"]["number"], shown["content"]["grace_days"]) == ("WI-3", 3)
    client.post(f"{url}approve/", typed(quality, digest=shown["digest"], grace_days=4), 409)
    client.post(f"{url}approve/", typed(quality, digest="0" * 64, **values), 409)
    assert DocumentRevision.objects.get().stage == DocumentStage.DRAFT
    client.post(f"{url}approve/", typed(quality, digest=shown["digest"], **values))
    assert DocumentRevision.objects.get().stage == DocumentStage.APPROVED
    Client(staff[Role.OPR]).post(f"{url}withdraw/", {"reason": "x"}, 403)
    client.post(f"{url}withdraw/", {"reason": "Wrong time"})
    assert DocumentRevision.objects.get().stage == DocumentStage.WITHDRAWN


@pytest.mark.requirement("P11-10i", "ES-19")
def test_a_training_is_asked_for_and_recorded(staff: Staff) -> None:
    made, quality, learner = drafted(staff), staff[Role.QAR], staff[Role.PST]
    client = Client(quality)
    client.sign(f"document-revisions/{made['id']}/approve/")
    asked = {"action": ACTION, "document_id": made["document_id"], "reason": "New"}
    Client(learner).post("curricula/", asked, 403)
    curriculum = client.post("curricula/", asked, 201)
    kept = client.send("trainings/evidence/", {"file": file("list.txt", content=b"Signed: all")}, 201)
    values = {
        "person_id": learner.person.pk,
        "revision_id": made["id"],
        "method": "shown",
        "result": "passed",
        "evidence": kept["sha256"],
    }
    shown = client.post("trainings/to-sign/", values)
    without = {name: value for name, value in values.items() if name != "evidence"}
    client.post("trainings/", typed(quality, digest=shown["digest"], **without), 409)
    assert TrainingRecord.objects.count() == 0
    client.post("trainings/", typed(quality, digest=shown["digest"], **values), 201)
    assert TrainingRecord.objects.get().evidence_id == kept["sha256"]
    client.post("trainings/", typed(quality, **values | {"person_id": 10**9}), 404)
    client.post("trainings/", typed(quality, **values | {"person_id": quality.person.pk}), 403)
    client.post(f"curricula/{curriculum['id']}/drop/", {"reason": "Gone"})
    assert Curriculum.objects.get().dropped
    assert Client(make_person()).http.get("/api/trainings/").status_code == 403
    outside = make_person(Role.OPR)
    for external, count in ((False, 1), (True, 0)):
        Person.objects.filter(pk=outside.person.pk).update(external=external)
        client = Client(outside)
        assert client.get("trainings/")["count"] == count
        page = client.http.get("/training/WI-3/").content.decode()
        named = [str(who.person) in page for who in (learner, quality, staff[Role.QCM])]
        assert named == [not external] * 3
    Person.objects.filter(pk=learner.person.pk).update(external=True)
    assert Client(learner).get("trainings/")["count"] == 1


@pytest.mark.requirement("ES-18", "ES-19")
def test_a_signature_is_withdrawn_by_its_owner_alone(staff: Staff) -> None:
    order = submitted(make_order(staff), staff)
    given = Signature.objects.get(subject_type="devices.order", subject_id=str(order.pk))
    prescriber, url = staff[Role.PRE], f"signatures/{given.pk}/"
    Client(staff[Role.OPR]).post(f"{url}to-withdraw/", {"reason": "x"}, 403)
    Client(make_person(Role.PRE)).post(f"{url}to-withdraw/", {"reason": "x"}, 404)
    client = Client(prescriber)
    shown = client.post(f"{url}to-withdraw/", {"reason": "Wrong side"})
    client.post(f"{url}withdraw/", typed(prescriber, digest=shown["digest"], reason="Another"), 409)
    assert not is_withdrawn(Signature.objects.get(pk=given.pk))
    done = client.post(f"{url}withdraw/", typed(prescriber, digest=shown["digest"], reason="Wrong side"))
    assert done["withdrawn"] is True


@pytest.mark.requirement("ES-13", "P11-100c")
def test_a_signer_is_enrolled_by_two_people_and_the_letter_is_recorded(staff: Staff) -> None:
    account = make_account(make_plain_person(Role.OPR), signs=False)
    first, second = Client(staff[Role.SEC]), Client(staff[Role.RA])
    secret = {"password": PASSWORD}
    proof = {"account_id": account.pk, "document": "passport", "method": "in person"} | secret
    Client(staff[Role.OPR]).post("signing-enrolments/", proof, 403)
    made = first.post("signing-enrolments/", proof, 201)
    first.post(f"signing-enrolments/{made['id']}/confirm/", secret, 403)
    second.post(f"signing-enrolments/{made['id']}/confirm/", {}, 403)
    second.post(f"signing-enrolments/{made['id']}/confirm/", secret)
    assert SigningEnrolment.objects.get(account=account).confirmed_at is not None
    before = CertificationLetter.objects.count()
    letter = {"sha256": "a" * 64, "sent_on": "2026-01-05", "signatory": "Q. Lead"}
    first.post("signing-enrolments/letter/", letter, 403)
    second.post("signing-enrolments/letter/", letter, 201)
    assert CertificationLetter.objects.count() == before + 1
    first.post(f"signing-enrolments/{made['id']}/close/", {"reason": "left"} | secret)
    assert SigningEnrolment.objects.get(account=account).closed


@pytest.mark.requirement("ES-20", "ES-19")
def test_a_paper_is_sent_in_and_verified_by_another(staff: Staff) -> None:
    order, sender, checker = make_order(staff), staff[Role.ORD], staff[Role.QAR]
    fields = {
        "subject_type": "devices.order",
        "subject_id": order.pk,
        "printed_name": "A. Surgeon",
        "meaning": Meaning.REVIEWED.value,
        "executed_on": "2026-01-05",
        "scan": file("scan.pdf", "application/pdf", make_paper()),
    }
    sent = Client(sender).send("handwritten/", fields, 201)
    url = f"handwritten/{sent['id']}/"
    client = Client(checker)
    shown = client.post(f"{url}to-sign/", {})
    client.post(f"{url}verify/", typed(checker, digest="0" * 64), 409)
    Client(sender).post(f"{url}verify/", typed(sender, digest=shown["digest"]), 403)
    assert HandwrittenSignature.objects.get().verification_id is None
    client.post(f"{url}verify/", typed(checker, digest=shown["digest"]))
    assert HandwrittenSignature.objects.get().verification_id is not None


@pytest.mark.requirement("ES-05", "ES-19")
def test_builds_are_verified_together_or_not_at_all(staff: Staff) -> None:
    parameters, checker = make_parameters(), staff[Role.QCM]
    builds = [make_build(parameters=parameters) for _ in range(2)]
    client, url = Client(checker), "sign-together/verify-build/"
    shown = {one["code"]: one["digest"] for one in client.http.get(f"/api/{url}").json()}
    assert set(shown) == {build.code for build in builds}
    chosen = [{"code": code, "digest": digest} for code, digest in shown.items()]
    stale = [chosen[0], {"code": chosen[1]["code"], "digest": "0" * 64}]
    client.post(url, typed(checker, chosen=stale), 409)
    assert not Build.objects.filter(state="verified").exists()
    signed = client.post(url, typed(checker, chosen=chosen))
    assert set(signed["signed"]) == set(shown)
    assert Build.objects.filter(state="verified").count() == 2
    client.post(url, typed(checker, chosen=chosen), 422)
    assert client.http.get("/api/sign-together/nothing/").status_code == 404
    assert Client(staff[Role.PRE]).http.get(f"/api/{url}").status_code == 403
