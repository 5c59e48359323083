"""Series of signings: what the first one asks, what a later one may leave out, and what ends them (ES-02 to ES-04)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from mes.choices import Meaning, Role
from mes.eventlog.base import Actor
from mes.eventlog.unit import open_unit
from mes.exceptions import SignatureRefused, SigningStopped
from mes.models import Account, EventRecord, Signature, SigningFailure, SigningSeries
from mes.services.people import grant_role
from mes.services.signatures import Credentials, sign
from mes.services.signing_series import SeriesContext, end_series, series_goes_on, session_opened
from mes.terminals import Terminal
from tests.mes.makers import PASSWORD, SYSTEM, make_signer, person_of

pytestmark = pytest.mark.django_db
CONTENT = {"record": "something", "version": 3}
HERE = Terminal("5e" * 32, "10.0.0.7", "Firefox")


class At:
    """One person at one terminal."""

    def __init__(self, terminal: Terminal = HERE) -> None:
        self.actor, self.both = make_signer(Role.QAX)
        self.account = Account.objects.get(username=self.both.username)
        self.sit(terminal)

    def sit(self, terminal: Terminal) -> None:
        self.both = replace(self.both, series=SeriesContext(self.account.pk, terminal))
        self.secret = replace(self.both, username="")

    def sign(self, credentials: Credentials) -> Signature:
        with open_unit():
            return sign(
                subject=person_of(self.actor),
                content=CONTENT,
                meaning=Meaning.APPROVED,
                actor=self.actor,
                credentials=credentials,
            )

    def refused(self, credentials: Credentials, rule: str) -> SignatureRefused:
        before = Signature.objects.count()
        with pytest.raises(SignatureRefused) as refusal:
            self.sign(credentials)
        assert rule in {reason.rule for reason in refusal.value.reasons}
        assert Signature.objects.count() == before
        return refusal.value

    @property
    def ends(self) -> list[str]:
        rows = SigningSeries.objects.filter(account=self.account).exclude(session_digest="")
        return [series.ended_because for series in rows.order_by("pk")]

    def later(self, **ago: float) -> None:
        """Time goes by: the series was last used, or opened, so long ago."""
        then = timezone.now() - timedelta(**ago)
        SigningSeries.objects.filter(account=self.account, ended_at=None).update(last_at=then, opened_at=then)


@pytest.fixture
def desk() -> At:
    at = At()
    at.sign(at.both)
    return at


@pytest.mark.requirement("ES-02", "P11-200a1i")
def test_first_sign_requires_both() -> None:
    at = At()
    at.refused(at.secret, "ES-02")
    assert (at.sign(at.both).components, at.ends) == (2, [""])


@pytest.mark.requirement("ES-02")
def test_signing_in_does_not_open_a_series_unless_the_installation_says_so(settings: LazySettings) -> None:
    at = At()
    session_opened(account=at.account, terminal=HERE)
    at.refused(at.secret, "ES-02")
    settings.SIGNING_LOGIN_OPENS_SERIES = True
    session_opened(account=at.account, terminal=HERE)
    assert at.sign(at.secret).components == 1


@pytest.mark.requirement("ES-03", "P11-200a1i")
def test_second_sign_secret_only(desk: At) -> None:
    second, third = desk.sign(desk.secret), desk.sign(desk.both)
    assert [(row.components, row.position) for row in (second, third)] == [(1, 2), (1, 3)]
    assert second.series_id == third.series_id
    assert (second.session_digest, second.address, second.agent) == ("5e" * 32, "10.0.0.7", "Firefox")


@pytest.mark.requirement("ES-03")
def test_second_sign_without_secret_refused(desk: At) -> None:
    desk.refused(replace(desk.secret, password=""), "ES-03")
    desk.refused(replace(desk.both, password=""), "ES-03")
    desk.refused(replace(desk.secret, password="not the one it is"), "ES-01")


@pytest.mark.requirement("ES-02")
def test_without_a_session_each_signing_needs_both() -> None:
    at = At()
    alone = replace(at.both, series=None)
    assert [at.sign(alone).components, at.sign(alone).components] == [2, 2]
    at.refused(replace(alone, username=""), "ES-02")
    assert not SigningSeries.objects.filter(account=at.account, ended_at=None).exists()


@pytest.mark.requirement("ES-04", "P11-200a1ii")
@pytest.mark.parametrize(("minutes", "goes_on"), [(9.9, True), (10.1, False)])
def test_idle_ends_series(desk: At, minutes: float, goes_on: bool) -> None:
    desk.later(minutes=minutes)
    if goes_on:
        assert desk.sign(desk.secret).components == 1
        return
    desk.refused(desk.secret, "ES-02")
    assert desk.ends == ["idle"], "it stays ended although the signing was refused"
    assert desk.sign(desk.both).components == 2


@pytest.mark.requirement("ES-04")
def test_an_installation_may_end_a_series_sooner(desk: At, settings: LazySettings) -> None:
    settings.SIGNING_IDLE_MINUTES = 1
    desk.later(minutes=2)
    desk.refused(desk.secret, "ES-02")


@pytest.mark.requirement("ES-04")
def test_absolute_limit_ends_series(desk: At) -> None:
    SigningSeries.objects.filter(account=desk.account, ended_at=None).update(
        opened_at=timezone.now() - timedelta(hours=8, seconds=1)
    )
    desk.refused(desk.secret, "ES-02")
    assert desk.ends == ["eight hours"]


@pytest.mark.requirement("ES-04", "P11-200a2")
@pytest.mark.parametrize(
    ("terminal", "because"),
    [
        (replace(HERE, address="10.0.0.8"), "another terminal"),
        (replace(HERE, agent="Chrome"), "another terminal"),
        (replace(HERE, session_key_digest="5f" * 32), "another session"),
    ],
)
def test_terminal_change_ends_series(desk: At, terminal: Terminal, because: str) -> None:
    desk.sit(terminal)
    assert not series_goes_on(desk.both.series)
    desk.refused(desk.secret, "ES-02")
    assert desk.ends == [because]
    assert desk.sign(desk.both).components == 2


@pytest.mark.requirement("ES-04")
def test_a_new_session_elsewhere_ends_the_series_here(desk: At) -> None:
    session_opened(account=desk.account, terminal=replace(HERE, session_key_digest="aa" * 32))
    assert desk.ends == ["new session elsewhere"]
    desk.refused(desk.secret, "ES-02")


@pytest.mark.requirement("ES-04")
def test_another_role_or_another_password_ends_the_series(desk: At) -> None:
    grant_role(person=person_of(desk.actor), role=Role.QAR, actor=SYSTEM)
    desk.refused(desk.secret, "ES-02")
    desk.sign(desk.both)
    desk.account.set_password("another long pass phrase")
    desk.account.save()
    desk.refused(replace(desk.secret, password="another long pass phrase"), "ES-02")
    assert desk.ends == ["roles or secret changed", "roles or secret changed"]


@pytest.mark.requirement("ES-04", "ES-15")
def test_three_failed_signings_end_the_series_and_the_session(desk: At) -> None:
    wrong = replace(desk.secret, password="not the one it is")
    for _ in range(2):
        assert not isinstance(desk.refused(wrong, "ES-01"), SigningStopped)
    assert desk.ends == [""]
    assert isinstance(desk.refused(wrong, "ES-15"), SigningStopped)
    assert desk.ends == ["three failed signings"]
    told = EventRecord.objects.filter(type="mes.signing_failed", actor=str(desk.actor))
    assert told.count() == SigningFailure.objects.count() == 3
    assert "10.0.0.7" in told.first().payload  # type: ignore[union-attr]


@pytest.mark.requirement("ES-04")
def test_a_signature_forgives_the_failures_before_it(desk: At) -> None:
    for _ in range(2):
        desk.refused(replace(desk.secret, password="not the one it is"), "ES-01")
    desk.sign(desk.secret)
    assert not isinstance(
        desk.refused(replace(desk.secret, password="not the one it is"), "ES-01"), SigningStopped
    )


@pytest.mark.requirement("ES-04")
def test_ending_it_by_hand_and_twice_does_no_harm(desk: At) -> None:
    for _ in range(2):
        end_series(account_id=desk.account.pk, because="signed out")
    assert desk.ends == ["signed out"]
    assert EventRecord.objects.filter(type="mes.signing_series_ended").count() == 1


@pytest.mark.requirement("ES-02", "ES-04")
def test_relogin_starts_new_series() -> None:
    """Over real sessions: signing in, signing, out and in again."""
    actor, credentials = make_signer(Role.QAX)
    account = Account.objects.get(username=credentials.username)
    client = Client()

    def sign_in() -> SeriesContext:
        typed = {"username": account.username, "password": PASSWORD}
        assert client.post("/sign-in/", typed).status_code == 302
        answer = client.get("/my-signature/")
        assert answer.status_code == 200
        return cast(SeriesContext, answer.context["series_context"])

    def signed(context: SeriesContext, username: str) -> int:
        with open_unit():
            return sign(
                subject=person_of(actor),
                content=CONTENT,
                meaning=Meaning.APPROVED,
                actor=Actor.person(person_of(actor).pk),
                credentials=Credentials(username, PASSWORD, series=context),
            ).components

    first = sign_in()
    assert (signed(first, account.username), signed(first, "")) == (2, 1)
    client.post("/sign-out/")
    assert SigningSeries.objects.exclude(session_digest="").get().ended_because == "signed out"
    second = sign_in()
    assert second.terminal.session_key_digest != first.terminal.session_key_digest
    with pytest.raises(SignatureRefused, match="ES-02"):
        signed(second, "")
    assert signed(second, account.username) == 2
