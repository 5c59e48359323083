"""Electronic signatures: who, what, when and why, over exactly what was shown (21 CFR 11.50, 11.70, 11.200)."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher

from mes.choices import Meaning, Role
from mes.eventlog.base import Actor, canonical, digest_of
from mes.eventlog.unit import open_unit
from mes.exceptions import PublishOutsideUnit, SignatureRefused
from mes.models import Account, Person, Signature
from mes.selectors import signatures_of
from mes.services.people import revoke_role
from mes.services.signatures import Credentials, content_digest, sign
from mes.standing import stands_for
from tests.mes.makers import PASSWORD, SYSTEM, make_account, make_patient, make_signer, person_of

pytestmark = pytest.mark.django_db
CONTENT = {"mesh_sha256": "9f" * 32, "record_id": "D0000123", "version": 3}


def sign_as(actor: Actor, credentials: Credentials, content: dict[str, object] = CONTENT) -> Signature:
    with open_unit():
        return sign(
            subject=person_of(actor),
            content=content,
            meaning=Meaning.APPROVED,
            actor=actor,
            credentials=credentials,
        )


def given() -> list[Signature]:
    """Every signature but the acceptances of the statement that each signer starts with."""
    return list(Signature.objects.exclude(meaning=Meaning.ACCEPTED))


@pytest.mark.requirement("ES-07", "ES-08", "ES-09")
def test_a_signature_says_who_what_when_and_why() -> None:
    actor, credentials = make_signer(Role.QAX, Role.QAR)
    signature = sign_as(actor, replace(credentials, comment="complete"))
    person = person_of(actor)
    assert (signature.person, signature.printed_name) == (person, person.full_name)
    assert (signature.meaning, signature.statement) == ("approved", "I approve this")
    assert (signature.content, signature.content_digest) == (canonical(CONTENT), digest_of(CONTENT))
    assert (signature.roles, signature.comment, signature.timezone) == ("QAR QAX", "complete", "UTC")
    assert signature.subject_version == 1, "roles are granted on streams of their own"
    assert list(signatures_of(person, Meaning.APPROVED)) == [signature]


@pytest.mark.requirement("ES-01")
@pytest.mark.parametrize(
    "wrong", [{"password": "wrong horse battery staple"}, {"password": ""}, {"username": "nobody"}]
)
def test_both_components_must_be_right(wrong: dict[str, Any]) -> None:
    actor, credentials = make_signer(Role.QAX)
    with pytest.raises(SignatureRefused, match="ES-01: User id or password is wrong"):
        sign_as(actor, replace(credentials, **wrong))
    assert not given()


def test_an_unknown_user_id_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of the answer would tell which user ids exist."""
    actor, credentials = make_signer(Role.QAX)
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(hasher: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(hasher, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    guesses: tuple[dict[str, Any], ...] = (
        {"password": "wrong"},
        {"password": "wrong", "username": "nobody"},
    )
    for wrong in guesses:
        with pytest.raises(SignatureRefused):
            sign_as(actor, replace(credentials, **wrong))
    assert hashed == ["wrong", "wrong"]


def test_a_user_id_is_known_in_any_case() -> None:
    actor, credentials = make_signer(Role.QAX)
    assert (
        sign_as(actor, replace(credentials, username=credentials.username.upper())).person_id
        == actor.person_id
    )


@pytest.mark.requirement("ES-12")
def test_nobody_signs_with_an_account_of_somebody_else() -> None:
    actor, _ = make_signer(Role.QAX)
    _, credentials = make_signer(Role.QAX)
    with pytest.raises(SignatureRefused, match="ES-12"):
        sign_as(actor, credentials)


@pytest.mark.requirement("P11-100a")
def test_a_second_account_of_the_same_person_does_not_sign() -> None:
    actor, credentials = make_signer(Role.QAX)
    second = make_account(person_of(actor))
    with pytest.raises(SignatureRefused, match="P11-100a"):
        sign_as(actor, Credentials(second.username, PASSWORD))
    assert sign_as(actor, credentials).account_id != second.pk


def test_a_program_does_not_sign() -> None:
    program = make_account(None)
    with open_unit(), pytest.raises(SignatureRefused):
        sign(
            subject=make_patient(),
            content=CONTENT,
            meaning=Meaning.APPROVED,
            actor=SYSTEM,
            credentials=Credentials(program.username, PASSWORD),
        )
    assert not given()


@pytest.mark.parametrize("closed", ["account", "person"])
def test_a_closed_account_or_an_inactive_person_does_not_sign(closed: str) -> None:
    actor, credentials = make_signer(Role.QAX)
    if closed == "account":
        Account.objects.filter(person=person_of(actor)).update(is_active=False)
    else:
        Person.objects.filter(pk=person_of(actor).pk).update(active=False)
    with pytest.raises(SignatureRefused):
        sign_as(actor, credentials)


@pytest.mark.requirement("ES-19")
def test_content_that_changed_after_it_was_shown_is_not_signed() -> None:
    actor, credentials = make_signer(Role.QAX)
    shown = replace(credentials, digest=content_digest(CONTENT))
    with pytest.raises(SignatureRefused, match="ES-19"):
        sign_as(actor, shown, CONTENT | {"version": 4})
    assert sign_as(actor, shown).content_digest == shown.digest


@pytest.mark.requirement("ES-10")
def test_a_signature_stands_for_exactly_what_was_signed() -> None:
    actor, credentials = make_signer(Role.QAX)
    signature = sign_as(actor, credentials)
    reordered = dict(reversed(CONTENT.items()))
    assert stands_for(signature, reordered)
    assert not stands_for(signature, CONTENT | {"version": 4})
    assert not stands_for(signature, CONTENT | {"mesh_sha256": "9e" + "9f" * 31})


@pytest.mark.requirement("ES-09")
def test_a_signature_copied_to_other_content_does_not_stand() -> None:
    """Of a row that was edited behind the database's back, too."""
    actor, credentials = make_signer(Role.QAX)
    signature = sign_as(actor, credentials)
    other = CONTENT | {"version": 4}
    signature.content_digest = content_digest(other)
    assert not stands_for(signature, other)
    assert not stands_for(signature, CONTENT)


@pytest.mark.requirement("ES-07")
def test_names_and_roles_stay_as_they_were_signed() -> None:
    actor, credentials = make_signer(Role.QAX)
    signature = sign_as(actor, credentials)
    person = person_of(actor)
    revoke_role(person=person, role=Role.QAX, actor=SYSTEM, reason="left the department")
    Person.objects.filter(pk=person.pk).update(full_name="Somebody Else")
    signature.refresh_from_db()
    assert (signature.roles, signature.printed_name) == ("QAX", person.full_name)


def test_a_signature_stands_with_its_change_or_not_at_all() -> None:
    actor, credentials = make_signer(Role.QAX)
    person = person_of(actor)
    with pytest.raises(PublishOutsideUnit):
        sign(subject=person, content=CONTENT, meaning=Meaning.APPROVED, actor=actor, credentials=credentials)
    assert not given()


@pytest.mark.requirement("K-05")
def test_the_digest_is_that_of_the_canonical_form() -> None:
    """The vector of the design: JCS form, no spaces, sorted keys; another version has another digest."""
    content = {"approved_use_by": "2027-05-22", "mesh_sha256": "9f" * 32, "record_id": "D-000123"}
    content |= {"record_type": "design"}
    assert content_digest(content | {"version": 3}) == (
        "65470e1babc3b77d6081da751eb10545074872542609bc6f16ae067de6d8e164"
    )
    assert content_digest(content | {"version": 4}) == (
        "354fdc93ea961f0c153385141e8b6e209d170002072d8b7bc1997f8251a2948a"
    )
