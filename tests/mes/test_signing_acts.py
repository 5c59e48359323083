"""Signing several records at once, taking a signature back, and papers signed by hand (ES-05, ES-18, ES-20)."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from mes.choices import Meaning, Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit, unit_of_work
from mes.exceptions import Conflict, ContentChanged, InvalidInput, NotPermitted, Refused, SignatureRefused
from mes.models import Account, EventRecord, HandwrittenSignature, Person, Signature
from mes.services.artefacts import artefact_path
from mes.services.signatures import Credentials, Together, content_digest, sign
from mes.services.signing_batch import Deed, sign_together
from mes.services.signing_handwritten import upload_handwritten, verify_handwritten
from mes.services.signing_policy import DECIDED_ALONE
from mes.services.signing_series import SeriesContext
from mes.services.signing_withdrawal import withdraw_signature
from mes.standing import stands, stands_for
from mes.terminals import Terminal
from tests.mes.makers import make_paper, make_person, make_signer, take_back
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.django_db
PDF = make_paper("a scan")


def content_of(person: Person) -> dict[str, object]:
    return {"record": "tested", "person": person.pk, "name": person.full_name}


@unit_of_work
def approve(
    person: Person, actor: Actor, credentials: Credentials, meaning: Meaning = Meaning.VERIFIED
) -> Signature:
    return sign(
        subject=person, content=content_of(person), meaning=meaning, actor=actor, credentials=credentials
    )


def deeds(people: list[Person], actor: Actor, meaning: Meaning = Meaning.VERIFIED) -> list[Deed]:
    return [
        Deed(
            f"P{person.pk}",
            content_digest(content_of(person)),
            lambda credentials, person=person: approve(person, actor, credentials, meaning),  # type: ignore[misc]
        )
        for person in people
    ]


def of(people: list[Person]) -> list[Signature]:
    keys = [str(person.pk) for person in people]
    return list(Signature.objects.filter(subject_type="mes.person", subject_id__in=keys).order_by("pk"))


# --- together


@pytest.mark.requirement("ES-05")
def test_each_record_of_a_batch_has_a_row_of_its_own() -> None:
    actor, typed = make_signer(Role.QAX)
    account = Account.objects.get(username=typed.username)
    typed = replace(typed, series=SeriesContext(account.pk, Terminal("5e" * 32, "10.0.0.7", "Firefox")))
    people = [make_person() for _ in range(3)]
    sign_together(deeds=deeds(people, actor), meaning=Meaning.VERIFIED, credentials=typed)
    rows = of(people)
    assert [row.content_digest for row in rows] == [content_digest(content_of(person)) for person in people]
    assert [(row.position, row.components) for row in rows] == [(1, 2), (2, 2), (3, 2)]
    assert len({row.batch for row in rows}) == len({row.series_id for row in rows}) == 1
    assert approve(people[0], actor, replace(typed, username="")).components == 1, "the series goes on"


@pytest.mark.requirement("ES-05")
def test_batch_all_or_nothing() -> None:
    actor, typed = make_signer(Role.QAX)
    people = [make_person() for _ in range(3)]
    batch = deeds(people, actor)
    batch[2] = replace(batch[2], digest="0" * 64)
    events = EventRecord.objects.count()
    with pytest.raises(ContentChanged, match=f"P{people[2].pk}: The content changed"):
        sign_together(deeds=batch, meaning=Meaning.VERIFIED, credentials=typed)
    assert (of(people), EventRecord.objects.count()) == ([], events)


@pytest.mark.requirement("ES-05")
@pytest.mark.parametrize("meaning", [Meaning.RELEASED, Meaning.DESIGN_APPROVED, Meaning.REJECTED])
def test_batch_release_forbidden(meaning: Meaning) -> None:
    actor, typed = make_signer(Role.QAX)
    people = [make_person(), make_person()]
    with pytest.raises(SignatureRefused, match="ES-05"):
        sign_together(deeds=deeds(people, actor, meaning), meaning=meaning, credentials=typed)
    with pytest.raises(SignatureRefused, match="ES-05"):
        sign_together(deeds=deeds(people, actor, meaning), meaning=Meaning.VERIFIED, credentials=typed)
    assert of(people) == []


@pytest.mark.requirement("ES-05")
def test_dispositions_are_decided_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"printing.lot", "quality.nonconformance"} <= set(DECIDED_ALONE)
    actor, typed = make_signer(Role.QAX)
    people = [make_person()]
    monkeypatch.setattr(DECIDED_ALONE, "_things", {"mes.person": "for this test"})
    with pytest.raises(SignatureRefused, match="ES-05"):
        sign_together(deeds=deeds(people, actor), meaning=Meaning.VERIFIED, credentials=typed)


@pytest.mark.requirement("ES-05")
@pytest.mark.parametrize(
    ("whole", "said", "is_one"),
    [
        ("ab" * 32, {"series": "ab" * 32}, True),
        ("ab" * 32, {"plan": {"stages": ["ab" * 32]}}, True),
        ("ab" * 32, {"series": "cd" * 32}, False),
        ("ab" * 32, {"series": "ab" * 33}, False),
        ("ab" * 32, {"ab" * 31: "the rest"}, False),
        ("a", {"series": "a"}, False),
        ("", {}, False),
    ],
)
def test_one_whole_is_one_decision(whole: str, said: dict[str, object], is_one: bool) -> None:
    """Where decisions are made one at a time, several records are signed by one act only if each names the same whole."""
    actor, typed = make_signer(Role.QAX)
    together = Together(Meaning.DESIGN_APPROVED, whole=whole)

    @unit_of_work
    def decide(person: Person) -> Signature:
        content, given = content_of(person) | said, replace(typed, together=together)
        return sign(
            subject=person, content=content, meaning=Meaning.DESIGN_APPROVED, actor=actor, credentials=given
        )

    people = [make_person() for _ in range(2)]
    if is_one:
        assert len({decide(person).batch for person in people}) == 1
    else:
        with pytest.raises(SignatureRefused, match="ES-05"):
            decide(people[0])


@pytest.mark.requirement("ES-05")
@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_at_most_fifty_records(count: int) -> None:
    actor, typed = make_signer(Role.QAX)
    one = deeds([make_person()], actor)
    batch = [replace(one[0], code=f"P{number}") for number in range(count)]
    with pytest.raises(InvalidInput, match="From 1 to 50"):
        sign_together(deeds=batch, meaning=Meaning.VERIFIED, credentials=typed)
    with pytest.raises(InvalidInput, match="different records"):
        sign_together(deeds=one * 2, meaning=Meaning.VERIFIED, credentials=typed)


@pytest.mark.requirement("ES-05", "ES-19")
def test_what_was_not_shown_is_not_signed_in_a_batch() -> None:
    actor, typed = make_signer(Role.QAX)
    batch = [replace(deed, digest="") for deed in deeds([make_person()], actor)]
    with pytest.raises(ContentChanged, match="was not shown"):
        sign_together(deeds=batch, meaning=Meaning.VERIFIED, credentials=typed)


# --- meaning and comment


@pytest.mark.requirement("ES-06")
def test_only_the_meaning_of_the_step_is_signed() -> None:
    actor, typed = make_signer(Role.QAX)
    person = make_person()
    with pytest.raises(SignatureRefused, match="ES-06"):
        approve(person, actor, replace(typed, meaning="released"))
    assert of([person]) == []
    assert approve(person, actor, replace(typed, meaning="verified")).meaning == "verified"


@pytest.mark.requirement("ES-06", "P11-10e")
def test_a_rejection_says_why() -> None:
    actor, typed = make_signer(Role.QAX)
    person = make_person()
    with pytest.raises(SignatureRefused, match="says why"):
        approve(person, actor, replace(typed, comment="  "), Meaning.REJECTED)
    assert approve(person, actor, replace(typed, comment="torn"), Meaning.REJECTED).comment == "torn"


# --- withdrawn


@pytest.mark.requirement("ES-18")
def test_a_signature_is_taken_back_by_another_one_and_stays() -> None:
    actor, typed = make_signer(Role.INS)
    person = make_person()
    signature = approve(person, actor, typed)
    assert stands_for(signature, content_of(person))
    withdrawal = withdraw_signature(
        signature_id=signature.pk, reason="wrong scan", actor=actor, credentials=typed
    )
    signature = Signature.objects.get(pk=signature.pk)
    assert not stands_for(signature, content_of(person))
    by = withdrawal.signature
    assert (by.meaning, by.subject_id, by.seq) == ("withdrawn", str(person.pk), signature.seq + 1)
    assert json.loads(by.content)["signature"] == str(signature.uid)
    told = EventRecord.objects.get(type="mes.signature_withdrawn")
    assert (told.stream_id, told.reason) == (str(person.pk), "wrong scan")
    for again in (signature, by):
        with pytest.raises(Conflict, match="ES-18"):
            withdraw_signature(signature_id=again.pk, reason="again", actor=actor, credentials=typed)


@pytest.mark.requirement("ES-18")
def test_a_decision_and_a_withdrawal_do_not_pass_one_another(committed_db: None) -> None:
    signer = make_signer(Role.INS)
    signature = approve(make_person(), *signer)

    def withdraw() -> None:
        try:
            take_back(signature.pk, signer)
        finally:
            connection.close()

    second = threading.Thread(target=withdraw)
    with open_unit():
        assert stands(signature)
        second.start()
        second.join(0.4)
        assert second.is_alive()
        assert stands(signature)
    second.join(PATIENCE_S)
    with open_unit():
        assert not stands(signature)


@pytest.mark.requirement("ES-18")
def test_who_may_withdraw_what() -> None:
    actor, typed = make_signer(Role.INS)
    other, others = make_signer(Role.OPR)
    quality, releases = make_signer(Role.QAX)
    signature = approve(make_person(), actor, typed)
    with pytest.raises(NotPermitted):
        withdraw_signature(signature_id=signature.pk, reason="mine now", actor=other, credentials=others)
    with pytest.raises(InvalidInput, match="Say why"):
        withdraw_signature(signature_id=signature.pk, reason=" ", actor=actor, credentials=typed)
    wrong = replace(typed, password="not the one it is")
    with pytest.raises(SignatureRefused, match="ES-01"):
        withdraw_signature(signature_id=signature.pk, reason="why", actor=actor, credentials=wrong)
    assert stands_for(signature, json.loads(signature.content))
    withdraw_signature(signature_id=signature.pk, reason="signer left", actor=quality, credentials=releases)


# --- by hand


def uploaded(actor: Actor, **changed: object) -> HandwrittenSignature:
    values = {
        "subject": make_person(),
        "printed_name": "Dr. A. Paper",
        "meaning": Meaning.PRESCRIBED,
        "executed_on": date(2026, 11, 2),
        "scan": PDF,
    }
    return upload_handwritten(**(values | changed), actor=actor)  # type: ignore[arg-type]


@pytest.mark.requirement("ES-20")
def test_a_second_person_verifies_a_scan_as_a_true_copy() -> None:
    first, typed = make_signer(Role.ORD)
    second, seconds = make_signer(Role.QAR)
    row = uploaded(first)
    with pytest.raises(NotPermitted, match="ES-20"):
        verify_handwritten(handwritten_id=row.pk, actor=first, credentials=typed)
    assert HandwrittenSignature.objects.get().verification is None
    row = verify_handwritten(handwritten_id=row.pk, actor=second, credentials=seconds)
    assert row.verification is not None
    assert (row.verification.meaning, row.verification.person_id) == ("verified", second.person_id)
    assert json.loads(row.verification.content)["scan"] == row.scan_id
    with pytest.raises(Conflict):
        verify_handwritten(handwritten_id=row.pk, actor=second, credentials=seconds)


@pytest.mark.requirement("ES-20")
def test_a_scan_that_was_altered_is_not_verified() -> None:
    row = uploaded(make_signer(Role.ORD)[0], scan=PDF + b" to be altered")
    path = artefact_path(row.scan_id)
    path.chmod(0o600)
    path.write_bytes(PDF)
    second, seconds = make_signer(Role.QAR)
    with pytest.raises(Refused, match="G-INT-01"):
        verify_handwritten(handwritten_id=row.pk, actor=second, credentials=seconds)


@pytest.mark.requirement("ES-20")
def test_a_scan_that_cannot_be_is_refused() -> None:
    """And leaves no file behind that no record names: nobody would ever destroy it."""
    (coordinator, _), refused = make_signer(Role.ORD), PDF + uuid4().bytes
    for changed in (
        {"scan": b"<html>"},
        {"printed_name": " "},
        {"meaning": Meaning.WITHDRAWN},
        {"printed_name": "Eve\u202eevil"},
        {"executed_on": timezone.localdate() + timedelta(days=1)},
        {"executed_on": date(1800, 1, 1)},
    ):
        with pytest.raises(InvalidInput, match="ES-20"):
            uploaded(coordinator, **{"scan": refused} | changed)
    with pytest.raises(NotPermitted):
        uploaded(make_signer(Role.OPR)[0], scan=refused)
    assert not HandwrittenSignature.objects.exists()
    assert not artefact_path(sha256(refused).hexdigest()).exists()
