"""What stands before a signature: a proofed identity, an accepted statement, a letter, and a clock (ES-13, ES-19)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.utils import timezone

from mes import clock
from mes.choices import Meaning, Role
from mes.clock import Reading, clock_faults
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import Conflict, InvalidInput, NotPermitted, SignatureRefused
from mes.models import (
    Account,
    EventRecord,
    Person,
    Signature,
    SigningEnrolment,
    SigningSeries,
    StatementAcceptance,
)
from mes.services import signing_policy
from mes.services.signatures import Credentials, sign
from mes.services.signing_enrolment import (
    accept_statement,
    close_enrolment,
    confirm_identity,
    prove_identity,
    record_certification_letter,
)
from mes.services.signing_series import SeriesContext
from mes.signing_seal import signatures_at_fault
from mes.terminals import Terminal
from tests.mes.makers import (
    PASSWORD,
    SYSTEM,
    enrol,
    make_account,
    make_person,
    make_signer,
    person_of,
    record_letter,
)

pytestmark = pytest.mark.django_db


def signed(actor: Actor, credentials: Credentials) -> Signature:
    with open_unit():
        return sign(
            subject=person_of(actor),
            content={"record": "tested"},
            meaning=Meaning.APPROVED,
            actor=actor,
            credentials=credentials,
        )


def rules(call: Callable[[], object]) -> set[str]:
    before = Signature.objects.count()
    with pytest.raises((SignatureRefused, NotPermitted, InvalidInput, Conflict)) as refusal:
        call()
    assert all(reason.cure for reason in refusal.value.reasons) or isinstance(refusal.value, InvalidInput)
    assert Signature.objects.count() == before
    return {reason.rule for reason in refusal.value.reasons}


@pytest.fixture
def newcomer() -> tuple[Actor, Credentials, Account]:
    """A person with an account and a role, not enrolled."""
    account = make_account(make_person(Role.QAX), signs=False)
    assert account.person is not None
    return Actor.person(account.person.pk), Credentials(account.username, PASSWORD), account


@pytest.mark.requirement("ES-13", "P11-100b", "P11-10j")
def test_signing_waits_for_proofing_confirmation_and_acceptance(
    newcomer: tuple[Actor, Credentials, Account],
) -> None:
    actor, typed, account = newcomer
    record_letter()
    assert rules(lambda: signed(actor, typed)) == {"ES-13"}
    assert rules(lambda: accept_statement(actor=actor, credentials=typed)) == {"ES-13"}
    first, second = (Actor.person(make_person(Role.SEC).pk) for _ in range(2))
    enrolment = prove_identity(account_id=account.pk, document="passport", method="in person", actor=first)
    assert rules(lambda: signed(actor, typed)) == {"ES-13", "P11-10j"}
    assert rules(lambda: accept_statement(actor=actor, credentials=typed)) == {"ES-13"}
    assert rules(lambda: confirm_identity(enrolment_id=enrolment.pk, actor=first)) == {"ES-13"}
    confirm_identity(enrolment_id=enrolment.pk, actor=second)
    assert rules(lambda: signed(actor, typed)) == {"P11-10j"}
    acceptance = accept_statement(actor=actor, credentials=typed)
    assert (acceptance.signature.meaning, acceptance.signature.components) == ("accepted", 2)
    assert signing_policy.STATEMENT in acceptance.signature.content
    assert signed(actor, typed).person_id == actor.person_id


@pytest.mark.requirement("ES-13")
def test_nobody_proofs_or_confirms_their_own_identity() -> None:
    guard = make_person(Role.SEC)
    account = make_account(guard, signs=False)
    own = Actor.person(guard.pk)
    prove = partial(prove_identity, account_id=account.pk, document="id", method="video")
    assert rules(lambda: prove(actor=own)) == {"ES-13"}
    enrolment = prove(actor=Actor.person(make_person(Role.SEC).pk))
    assert rules(lambda: confirm_identity(enrolment_id=enrolment.pk, actor=own)) == {"ES-13"}
    assert rules(lambda: prove(actor=Actor.person(make_person(Role.OPR).pk))) == {"G-OPR-02"}


@pytest.mark.requirement("ES-21", "P11-30")
def test_a_surgeon_from_outside_signs_by_a_proofed_account_only(
    newcomer: tuple[Actor, Credentials, Account],
) -> None:
    """A link in a mail opens nothing: what signs is an account of a proofed person, with both components."""
    actor, typed, account = newcomer
    record_letter()
    assert rules(lambda: signed(actor, typed)) == {"ES-13"}
    enrol(account)
    assert rules(lambda: signed(actor, replace(typed, username=""))) == {"ES-02"}
    assert signed(actor, typed).components == 2


@pytest.mark.requirement("P11-10j", "ES-13")
def test_the_statement_is_accepted_anew_each_year_and_when_its_text_changes(
    monkeypatch: pytest.MonkeyPatch, cluster: object
) -> None:
    actor, typed = make_signer(Role.QAX)
    acceptance = StatementAcceptance.objects.get()
    monkeypatch.setattr("mes.services.signing_rights.RENEWED", timedelta())
    assert rules(lambda: signed(actor, typed)) == {"P11-10j"}
    monkeypatch.undo()
    signed(actor, typed)
    monkeypatch.setattr("mes.services.signing_rights.STATEMENT_VERSION", acceptance.version + 1)
    assert rules(lambda: signed(actor, typed)) == {"P11-10j"}


@pytest.mark.requirement("P11-100c", "ES-13")
def test_no_letter_to_the_fda_no_signature_where_it_is_needed(
    newcomer: tuple[Actor, Credentials, Account], settings: LazySettings
) -> None:
    actor, typed, account = newcomer
    enrolment = prove_identity(account_id=account.pk, document="passport", method="in person", actor=SYSTEM)
    confirm_identity(enrolment_id=enrolment.pk, actor=SYSTEM)
    accept_statement(actor=actor, credentials=typed)
    settings.SIGNING_MARKETS = ["EU", "US"]
    assert rules(lambda: signed(actor, typed)) == {"P11-100c"}
    settings.SIGNING_LETTER = "warn"
    signed(actor, typed)
    settings.SIGNING_LETTER, settings.SIGNING_MARKETS = "required", ["EU"]
    signed(actor, typed)
    settings.SIGNING_MARKETS = ["US"]
    record_letter()
    signed(actor, typed)


@pytest.mark.parametrize(
    ("sha256", "sent_on", "signatory"),
    [
        ("1e" * 31, date(2026, 1, 5), "Q"),
        ("1e" * 32, date(2999, 1, 5), "Q"),
        ("1e" * 32, date(1997, 8, 19), "Q"),
        ("1e" * 32, date(2026, 1, 5), " "),
        ("1e" * 32, date(2026, 1, 5), "\u200b"),
    ],
)
def test_a_letter_that_cannot_be_is_refused(sha256: str, sent_on: date, signatory: str) -> None:
    regulatory = Actor.person(make_person(Role.RA).pk)
    with pytest.raises(InvalidInput, match="P11-100c"):
        record_certification_letter(sha256=sha256, sent_on=sent_on, signatory=signatory, actor=regulatory)


@pytest.mark.requirement("P11-100a")
def test_one_account_of_a_person_signs() -> None:
    actor, typed = make_signer(Role.QAX)
    second = make_account(person_of(actor), signs=False)
    again = Credentials(second.username, PASSWORD)
    assert rules(lambda: signed(actor, again)) == {"P11-100a"}
    prove = partial(prove_identity, account_id=second.pk, document="id", method="video", actor=SYSTEM)
    assert rules(prove) == {"P11-100a"}
    first = SigningEnrolment.objects.get(account__username=typed.username)
    close_enrolment(enrolment_id=first.pk, actor=SYSTEM, reason="another account from now on")
    assert rules(lambda: signed(actor, typed)) == {"ES-13"}
    enrol(second)
    assert signed(actor, again).account_id == second.pk
    assert EventRecord.objects.filter(type="mes.enrolment_closed").count() == 1


@pytest.mark.requirement("ES-12")
def test_a_program_is_not_enrolled() -> None:
    program = make_account(None)
    prove = partial(prove_identity, account_id=program.pk, document="id", method="video", actor=SYSTEM)
    assert rules(prove) == {"ES-12"}


# --- the clock


@pytest.mark.requirement("ES-19", "G-CLK-01")
@pytest.mark.parametrize(
    ("policy", "said", "refused"),
    [
        ("measured", Reading(None, 0.0), False),
        ("measured", Reading(False, 0.0), False),
        ("measured", Reading(True, 4.9), False),
        ("measured", Reading(True, -5.1), True),
        ("required", Reading(True, 0.1), False),
        ("required", Reading(False, 0.1), True),
        ("required", Reading(None, 0.0), True),
    ],
)
def test_clock_unsynced_refused(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings, policy: str, said: Reading, refused: bool
) -> None:
    actor, typed = make_signer(Role.QAX)
    settings.SIGNING_CLOCK = policy
    monkeypatch.setattr(clock, "kernel_says", lambda: said)
    if refused:
        assert rules(lambda: signed(actor, typed)) == {"G-CLK-01"}
    else:
        signed(actor, typed)


@pytest.mark.requirement("G-CLK-01")
def test_a_clock_that_was_set_is_refused_unless_a_source_vouches(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Reading(None, 0.0)
    monkeypatch.setattr(clock, "kernel_says", lambda: said)
    monkeypatch.setattr(clock, "_steps", clock._Steps())
    now = timezone.now()
    assert clock_faults(now=now, newest=None) == ()
    right = clock._wall_against_boot()
    monkeypatch.setattr(clock, "_wall_against_boot", lambda: right + 60)
    assert "set by +60 s" in clock_faults(now=now, newest=None)[0].text
    said = Reading(True, 0.0)
    assert clock_faults(now=now, newest=None) == ()
    said = Reading(None, 0.0)
    assert clock_faults(now=now, newest=None) == (), "what a source vouched for is the new start"


@pytest.mark.requirement("G-CLK-01", "ES-04")
def test_a_clock_behind_the_record_refuses_and_ends_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    actor, typed = make_signer(Role.QAX)
    account = Account.objects.get(username=typed.username)
    typed = replace(typed, series=SeriesContext(account.pk, Terminal("5e" * 32, "10.0.0.7", "Firefox")))
    newest = signed(actor, typed).signed_at
    assert clock_faults(now=newest - timedelta(seconds=4), newest=newest) == ()
    monkeypatch.setattr("mes.services.signatures.timezone.now", lambda: newest - timedelta(seconds=6))
    assert rules(lambda: signed(actor, typed)) == {"G-CLK-01"}
    monkeypatch.undo()
    assert SigningSeries.objects.filter(account=account, ended_because="clock fault").count() == 1


@pytest.mark.requirement("G-CLK-01", "ES-09")
def test_a_row_of_the_future_that_nobody_signed_locks_nobody_out() -> None:
    """The web's role in the database may write rows; only the server's key makes one that counts."""
    actor, typed = make_signer(Role.QAX)
    forged = signed(actor, typed)
    forged.pk, forged.uid, forged.seq = None, uuid4(), forged.seq + 1
    forged.position += 100
    forged.signed_at += timedelta(days=1500)
    forged.save(force_insert=True)
    again = signed(actor, typed)
    assert again.signed_at < forged.signed_at
    assert any(str(forged.pk) in fault for fault in signatures_at_fault())


@pytest.mark.requirement("G-CLK-01")
def test_the_kernel_is_asked_for_real() -> None:
    said = clock.kernel_says()
    assert said.synchronised in (True, False, None)
    assert abs(said.offset_s) < 3600


@pytest.mark.requirement("P11-10d", "ES-01")
def test_an_inactive_person_does_not_sign() -> None:
    actor, typed = make_signer(Role.QAX)
    signed(actor, typed)
    Person.objects.filter(pk=person_of(actor).pk).update(active=False)
    # As with a wrong password: whether a name is closed is not told to whoever types it.
    assert rules(lambda: signed(actor, typed)) == {"ES-01"}
