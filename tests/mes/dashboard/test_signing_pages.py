"""Signing on pages: the dialog, a person's own page, who may sign, one signature, several at once, papers."""

from __future__ import annotations

import html
import json
import re
from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from devices.models import Order
from devices.services.orders import prescription_content
from mes.choices import Role
from mes.dashboard.together import BATCHES
from mes.eventlog.base import Actor
from mes.models import (
    Account,
    CertificationLetter,
    EventRecord,
    HandwrittenSignature,
    Person,
    Signature,
    SigningSeries,
)
from mes.services.artefacts import artefact_path
from mes.services.signatures import content_digest
from mes.services.signing_enrolment import close_enrolment
from mes.standing import stands_for
from tests.devices.makers import PASSWORD, Staff, Who, make_order
from tests.mes.dashboard.conftest import Visit
from tests.mes.makers import SYSTEM, make_account, make_paper, make_person
from tests.printing.makers import make_build, make_parameters

HTMX = {"HX-Request": "true"}
SECRET = {"password": PASSWORD}


@pytest.fixture
def order(staff: Staff) -> Order:
    return make_order(staff)


def text_of(answer: object) -> str:
    return html.unescape(answer.content.decode())  # type: ignore[attr-defined]


def sign_in(who: Who, **headers: str) -> Client:
    client = Client(headers=headers)
    assert client.post("/sign-in/", {"username": who.username, "password": PASSWORD}).status_code == 302
    return client


def typed(who: Who | None, digest: str, **more: str) -> dict[str, str]:
    return {"username": who.username if who else "", "password": PASSWORD, "digest": digest} | more


@pytest.mark.requirement("ES-06", "P11-50a")
def test_the_dialog_says_what_signing_means(staff: Staff, as_: Visit, order: Order) -> None:
    page = text_of(as_(staff[Role.PRE]).get(f"/act/order/{order.code}/submit-order/", headers=HTMX))
    for words in (
        "Sign: ", "binds you in law", "I prescribe this device", "Server time", "(UTC)", order.code,
        content_digest(prescription_content(order))[:12],
    ):  # fmt: skip
        assert words in page, words
    meanings = re.findall(r'name="meaning" value="(\w+)"', page)
    assert meanings == ["prescribed"], "only what this step allows"
    button = re.search(r"<button[^>]*btn-primary[^>]*>", page)
    assert button
    assert "autofocus" not in button[0]
    assert "<textarea" in page[page.index("Comment") :], "Enter in the comment signs nothing"


@pytest.mark.requirement("ES-06")
def test_another_meaning_than_that_of_the_step_is_refused(staff: Staff, order: Order) -> None:
    digest = content_digest(prescription_content(order))
    client, url = sign_in(staff[Role.PRE]), f"/act/order/{order.code}/submit-order/"
    answer = client.post(url, typed(staff[Role.PRE], digest, meaning="released"), headers=HTMX)
    assert (answer.status_code, "ES-06" in text_of(answer)) == (403, True)
    assert not Signature.objects.filter(subject_type="devices.order").exists()


@pytest.mark.requirement("ES-02", "ES-03")
def test_a_series_over_the_pages(staff: Staff) -> None:
    """The first dialog asks for both, the next one knows the user id and asks for the password alone."""
    who = staff[Role.PRE]
    orders = [make_order(staff) for _ in range(3)]
    digests = [content_digest(prescription_content(order)) for order in orders]
    urls = [f"/act/order/{order.code}/submit-order/" for order in orders]
    client = sign_in(who)
    assert f'value="{who.username}"' not in text_of(client.get(urls[0], headers=HTMX))
    refused = client.post(urls[0], typed(None, digests[0]), headers=HTMX)
    assert (refused.status_code, "ES-02" in text_of(refused)) == (403, True)
    assert client.post(urls[0], typed(who, digests[0]), headers=HTMX).status_code == 204
    assert f'value="{who.username}"' in text_of(client.get(urls[1], headers=HTMX))
    refused = client.post(urls[1], typed(who, digests[1]) | {"password": ""}, headers=HTMX)
    assert (refused.status_code, "ES-03" in text_of(refused)) == (403, True)
    assert client.post(urls[1], typed(None, digests[1]), headers=HTMX).status_code == 204
    rows = Signature.objects.filter(subject_type="devices.order").order_by("pk")
    assert [(row.components, row.position) for row in rows] == [(2, 1), (1, 2)]
    moved = client.post(urls[2], typed(None, digests[2]), headers=HTMX, REMOTE_ADDR="10.9.9.9")
    assert (moved.status_code, "ES-02" in text_of(moved)) == (403, True)


@pytest.mark.requirement("ES-04", "ES-15")
def test_the_third_failed_signing_signs_out(staff: Staff, order: Order) -> None:
    client, url = sign_in(staff[Role.PRE]), f"/act/order/{order.code}/submit-order/"
    wrong = typed(staff[Role.PRE], content_digest(prescription_content(order))) | {"password": "no"}
    for _ in range(2):
        assert client.post(url, wrong, headers=HTMX).status_code == 403
    assert client.get("/my-signature/").status_code == 200
    last = client.post(url, wrong, headers=HTMX)
    assert (last.status_code, "session ends" in text_of(last)) == (403, True)
    assert client.get("/my-signature/").status_code == 302, "signed out"


@pytest.mark.requirement("ES-19")
def test_digest_changed_between_open_and_submit_409(staff: Staff, order: Order) -> None:
    client, url = sign_in(staff[Role.PRE]), f"/act/order/{order.code}/submit-order/"
    shown = re.search(r'name="digest" value="([0-9a-f]{64})"', text_of(client.get(url, headers=HTMX)))
    assert shown
    Order.objects.filter(pk=order.pk).update(need_by=date(2027, 3, 1))
    answer = client.post(url, typed(staff[Role.PRE], shown[1]), headers=HTMX)
    assert (answer.status_code, "ES-19" in text_of(answer)) == (409, True)
    assert not Signature.objects.filter(subject_type="devices.order").exists()


# --- my signature, and who may sign


@pytest.mark.requirement("ES-13", "P11-10j")
def test_a_newcomer_is_told_what_is_missing_and_accepts_the_statement(staff: Staff) -> None:
    account = make_account(make_person(Role.OPR), signs=False)
    guards = [staff[Role.SEC], staff[Role.RA]]
    client = Client()
    client.force_login(account)
    page = text_of(client.get("/my-signature/"))
    assert "may not sign yet" in page
    assert "was not proofed" in page
    first, second = (sign_in(who) for who in guards)
    assert "not proofed" in text_of(first.get("/signers/"))
    seen = {"number": str(account.pk), "document": "passport", "method": "in person"} | SECRET
    assert first.post("/signers/prove/", seen, headers=HTMX).status_code == 204
    number = {"number": str(account.enrolment.pk)} | SECRET
    refused = first.post("/signers/confirm/", number, headers=HTMX)
    assert (refused.status_code, "ES-13" in text_of(refused)) == (403, True)
    assert second.post("/signers/confirm/", number, headers=HTMX).status_code == 204
    page = text_of(client.get("/my-signature/"))
    assert "I am accountable for everything" in page
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest
    own = {"username": account.username, "password": "correct horse battery staple", "meaning": "accepted"}
    unseen = client.post("/my-signature/", own, headers=HTMX)
    assert (unseen.status_code, "ES-19" in text_of(unseen)) == (409, True)
    assert client.post("/my-signature/", own | {"digest": digest[1]}, headers=HTMX).status_code == 204
    assert "may sign" in text_of(client.get("/my-signature/"))
    closed = second.post("/signers/close/", number | {"reason": "left"}, headers=HTMX)
    assert closed.status_code == 204
    assert "may not sign yet" in text_of(client.get("/my-signature/"))


def test_the_pages_of_signers_are_for_those_who_proof(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.OPR])
    assert client.get("/signers/").status_code == 403
    assert client.post("/signers/prove/", {"number": "1", "document": "x", "method": "y"}).status_code == 403
    security = as_(staff[Role.SEC])
    assert security.post("/signers/nothing/").status_code == 404
    assert security.post("/signers/confirm/", {"number": "x"}).status_code == 403
    assert security.post("/signers/confirm/", {"number": "x"} | SECRET).status_code == 422
    assert security.post("/signers/confirm/", {"number": "99999"} | SECRET).status_code == 422


@pytest.mark.requirement("P11-100c")
def test_regulatory_affairs_record_the_letter(staff: Staff, as_: Visit) -> None:
    client = as_(staff[Role.RA])
    before = CertificationLetter.objects.count()
    good = {"sent_on": "2026-02-03", "signatory": "M. Lund", "sha256": "AB" * 32}
    for wrong in ({"sent_on": "yesterday"}, {"sha256": "12"}, {"signatory": " "}):
        assert client.post("/signers/letter/", good | wrong).status_code == 422
    assert CertificationLetter.objects.count() == before
    assert client.post("/signers/letter/", good).status_code == 303
    assert CertificationLetter.objects.latest("pk").sha256 == "ab" * 32
    assert "M. Lund" in text_of(client.get("/signers/"))


@pytest.mark.requirement("ES-04")
def test_a_series_is_ended_by_hand(staff: Staff, order: Order) -> None:
    client = sign_in(staff[Role.PRE])
    digest = content_digest(prescription_content(order))
    client.post(f"/act/order/{order.code}/submit-order/", typed(staff[Role.PRE], digest), headers=HTMX)
    assert "1 signature in this series" in text_of(client.get("/my-signature/"))
    assert client.post("/my-signature/end/").status_code == 303
    assert SigningSeries.objects.exclude(session_digest="").get().ended_because == "ended by hand"


# --- one signature


@pytest.fixture
def signature(staff: Staff, order: Order) -> Signature:
    client, digest = sign_in(staff[Role.PRE]), content_digest(prescription_content(order))
    client.post(f"/act/order/{order.code}/submit-order/", typed(staff[Role.PRE], digest), headers=HTMX)
    return Signature.objects.get(subject_type="devices.order")


@pytest.mark.requirement("ES-10", "P11-70")
def test_a_superseded_signature_is_struck_through_with_its_version(
    signature: Signature, order: Order, as_: Visit, staff: Staff
) -> None:
    client = as_(staff[Role.ORD])
    page = text_of(client.get(f"/orders/{order.code}/"))
    assert "<s>" not in page
    Order.objects.filter(pk=order.pk).update(need_by=date(2027, 3, 1))
    page = text_of(client.get(f"/orders/{order.code}/"))
    assert "<s>“I prescribe this device”</s>" in page
    assert f"version {signature.subject_version} of this record" in page
    assert "superseded" in text_of(client.get(f"/signatures/{signature.pk}/"))


@pytest.mark.requirement("ES-08", "ES-09")
def test_a_signature_has_a_page_of_its_own(
    signature: Signature, order: Order, as_: Visit, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    Person.objects.filter(pk=signature.person_id).update(full_name="Jane Other")
    client = as_(staff[Role.ORD])
    page = text_of(client.get(f"/signatures/{signature.pk}/"))
    for words in (signature.printed_name, order.code, "Ed25519", "user id + password", "UTC", "valid"):
        assert words in page, words
    assert "Withdraw" not in page, "it is somebody else's"
    monkeypatch.setattr("mes.signing_seal.seal_is_signed", lambda row: False)
    assert "Record altered – do not use" in text_of(client.get(f"/signatures/{signature.pk}/"))
    assert client.get("/signatures/999999/").status_code == 404


@pytest.mark.requirement("ES-18")
def test_withdrawing_on_the_page(signature: Signature, order: Order, staff: Staff) -> None:
    client, url = sign_in(staff[Role.PRE]), f"/signatures/{signature.pk}/withdraw/"
    assert "Withdraw" in text_of(client.get(f"/signatures/{signature.pk}/"))
    page = text_of(client.get(url, headers=HTMX))
    assert "I withdraw this signature" in page
    why = {"reason": "the wrong side"}
    seen = text_of(client.post(f"{url}preview/", why, headers=HTMX))
    assert "the wrong side" in seen
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', seen)
    assert digest
    other = typed(staff[Role.PRE], digest[1], reason="something else")
    assert client.post(url, other, headers=HTMX).status_code == 409
    answer = client.post(url, typed(staff[Role.PRE], digest[1], **why), headers=HTMX)
    assert answer.status_code == 204
    assert not stands_for(Signature.objects.get(pk=signature.pk), prescription_content(order))
    page = text_of(client.get(f"/orders/{order.code}/"))
    assert "Withdrawn: the wrong side" in page
    stranger = sign_in(staff[Role.OPR])
    assert stranger.get(url, headers=HTMX).status_code == 403


# --- together


@pytest.mark.requirement("ES-05")
def test_builds_are_verified_together(staff: Staff) -> None:
    parameters = make_parameters(staff)
    builds = [make_build(staff, parameters=parameters) for _ in range(2)]
    verifier = staff[Role.QCM]
    client = sign_in(verifier)
    assert "/sign-together/verify-build/" in text_of(client.get("/my-work/"))
    page = text_of(client.get("/sign-together/verify-build/"))
    form = {"username": verifier.username, "password": PASSWORD, "chosen": [build.code for build in builds]}
    for build in builds:
        digest = re.search(rf'name="digest.{build.code}" value="([0-9a-f]{{64}})"', page)
        assert digest
        form[f"digest.{build.code}"] = digest[1]
    wrong = form | {f"digest.{builds[1].code}": "0" * 64}
    answer = client.post("/sign-together/verify-build/", wrong, headers=HTMX)
    assert (answer.status_code, builds[1].code in text_of(answer)) == (409, True)
    assert not Signature.objects.filter(subject_type="printing.build").exists()
    assert client.post("/sign-together/verify-build/", form, headers=HTMX).status_code == 204
    assert Signature.objects.filter(subject_type="printing.build", meaning="verified").count() == 2
    again = client.post("/sign-together/verify-build/", form, headers=HTMX)
    assert (again.status_code, "does not wait any more" in text_of(again)) == (422, True)


@pytest.mark.requirement("ES-05")
def test_what_may_be_signed_together(staff: Staff, as_: Visit) -> None:
    assert set(BATCHES) == {"verify-build", "review-design", "approve-segmentation"}
    client = as_(staff[Role.QAX])
    for name in ("release", "approve-design", "release-lot", "dispose"):
        assert client.get(f"/sign-together/{name}/").status_code == 404
    assert client.get("/sign-together/verify-build/").status_code == 403
    for name, role in (("review-design", Role.DSN), ("approve-segmentation", Role.CLR)):
        assert "Nothing waits" in text_of(as_(staff[role]).get(f"/sign-together/{name}/"))


# --- papers


@pytest.mark.requirement("ES-20", "G-INT-01")
def test_a_paper_is_brought_and_verified(staff: Staff, order: Order) -> None:
    brings, verifies = sign_in(staff[Role.ORD]), sign_in(staff[Role.QAR])
    assert "No paper was brought yet" in text_of(brings.get("/handwritten/"))

    def paper(**changed: object) -> dict[str, object]:
        scan = SimpleUploadedFile("scan.pdf", make_paper("signed by hand"))
        fields: dict[str, object] = {
            "code": order.code, "printed_name": "Dr. A. Paper", "executed_on": "2026-11-02", "meaning": "prescribed",
            "scan": scan,
        }  # fmt: skip
        return fields | changed

    wrong = ({"code": "X1"}, {"code": "O9999999"}, {"meaning": ""}, {"executed_on": ""}, {"scan": ""})
    for changed in wrong:
        assert brings.post("/handwritten/upload/", paper(**changed)).status_code == 422, changed
    assert brings.post("/handwritten/upload/", paper()).status_code == 303
    row = HandwrittenSignature.objects.get()
    assert "Stands for nothing" in text_of(brings.get(f"/orders/{order.code}/"))
    url = f"/handwritten/{row.pk}/verify/"
    page = text_of(verifies.get(url, headers=HTMX))
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest
    own = brings.post(url, typed(staff[Role.ORD], digest[1]), headers=HTMX)
    assert (own.status_code, "ES-20" in text_of(own)) == (403, True)
    assert verifies.post(url, typed(staff[Role.QAR], digest[1]), headers=HTMX).status_code == 204
    page = text_of(brings.get(f"/orders/{order.code}/"))
    assert "Handwritten, executed on 02 Nov 2026" in page
    assert "Verified as a true copy by" in page
    scan = verifies.get(f"/handwritten/{row.pk}/scan/")
    assert b"".join(scan.streaming_content) == make_paper("signed by hand")  # type: ignore[attr-defined]
    (copy,) = EventRecord.objects.filter(type="mes.copy_taken")
    told = json.loads(copy.payload)
    assert (told["subject"], told["sha256"]) == (f"mes.handwritten_signature/{row.pk}", row.scan_id)
    stored = artefact_path(row.scan_id)
    stored.chmod(0o600)
    stored.write_bytes(make_paper("Signed by hand"))
    answer = verifies.get(f"/handwritten/{row.pk}/scan/")
    assert (answer.status_code, "G-INT-01" in text_of(answer)) == (409, True), "altered: not shown"
    stored.unlink()
    assert sign_in(staff[Role.OPR]).get(f"/handwritten/{row.pk}/scan/").status_code == 403


# --- no self-approval


@pytest.mark.requirement("ES-11")
def test_second_account_same_person_cannot_approve(staff: Staff) -> None:
    """Persons are compared, not accounts: another account of the author is the author."""
    build = make_build(staff)
    author = Person.objects.get(pk=build.created_by_id)
    first = Account.objects.get(person=author)
    close_enrolment(enrolment_id=first.enrolment.pk, actor=SYSTEM, reason="another account from now on")
    second = make_account(author)
    client = Client()
    client.force_login(second)
    for refused in (
        client.get(f"/act/build/{build.code}/verify-build/", headers=HTMX),
        client.post(
            f"/act/build/{build.code}/verify-build/",
            {"username": second.username, "password": "correct horse battery staple"},
            headers=HTMX,
        ),
    ):
        assert (refused.status_code, "G-SOD-01" in text_of(refused)) == (403, True)
    assert not Signature.objects.filter(subject_type="printing.build").exists()
    assert Actor.person(author.pk).person_id == second.person_id
