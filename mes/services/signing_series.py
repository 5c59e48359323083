"""Series of signings: the first asks for both components, a later one for the secret alone (ES-02 to ES-04)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.utils import timezone

from mes.eventlog.base import Actor, canonical
from mes.eventlog.unit import afterwards, publish, unit_of_work
from mes.events import SessionEnded, SigningFailed, SigningSeriesEnded, SigningSeriesOpened
from mes.exceptions import Reason, SignatureRefused, SigningStopped
from mes.models import Account, BrowserSession, Person, Signature, SigningFailure, SigningSeries
from mes.selectors import roles_of
from mes.services.signing_policy import ABSOLUTE, FAILURES, policy
from mes.terminals import Terminal

NO_TERMINAL = Terminal("", "", "")
ONE_SIGNING = "one signing"
THREE_FAILED = "three failed signings"
DOOR = Actor.system("sign-in")


@dataclass(frozen=True)
class SeriesContext:
    """Where a signing comes from: whose it is, and the terminal. That of a client with a key has no session, and so no
    series, yet an address and a program."""

    account_id: int
    terminal: Terminal


def stamp_of(account: Account) -> str:
    """Changes with the roles and with the secret, and tells neither."""
    roles = sorted(roles_of(account.person)) if account.person else []
    return hashlib.sha256(canonical({"roles": roles, "secret": account.password}).encode()).hexdigest()


def session_digest(session_key: str | None) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""


def running_series(context: SeriesContext | None, *, lock: bool = False) -> SigningSeries | None:
    """The open series of a session's account, wherever it was opened. `lock` it inside a unit."""
    if context is None or not context.terminal.session_key_digest:
        return None
    rows = SigningSeries.objects.filter(account_id=context.account_id, ended_at=None)
    if lock:
        return rows.select_for_update().first()
    return rows.select_related("account__person").first()


def why_over(series: SigningSeries, terminal: Terminal, now: datetime) -> str:
    """What has ended a series by now (ES-04); empty while it goes on."""
    because = (
        ("another session", series.session_digest != terminal.session_key_digest),
        ("another terminal", (series.address, series.agent) != (terminal.address, terminal.agent)),
        ("roles or secret changed", series.stamp != stamp_of(series.account)),
        ("clock fault", now < series.last_at),
        ("idle", now - series.last_at >= policy().idle),
        ("eight hours", now - series.opened_at >= ABSOLUTE),
    )
    return next((reason for reason, true in because if true), "")


def series_goes_on(context: SeriesContext | None) -> bool:
    """Whether the next signature of this session needs the secret alone."""
    series = running_series(context)
    return (
        series is not None and context is not None and not why_over(series, context.terminal, timezone.now())
    )


def series_for_signing(context: SeriesContext | None, now: datetime) -> SigningSeries | None:
    """The series that goes on, locked; one that is over is ended, whatever becomes of the running unit."""
    series = running_series(context, lock=True)
    if series is None or context is None:
        return None
    because = why_over(series, context.terminal, now)
    if not because:
        return series
    ended = partial(end_series, account_id=series.account_id, because=because, only=series.pk)
    ended()
    afterwards("A series ended", ended)
    return None


def new_series(account: Account, context: SeriesContext | None, now: datetime) -> SigningSeries:
    """A series that opens with the signature being made. Without a session it holds that one alone."""
    terminal = context.terminal if context else NO_TERMINAL
    alone = not terminal.session_key_digest
    assert account.person is not None, "only people sign"  # noqa: S101 - for the type; refused before
    return SigningSeries.objects.create(
        account=account,
        person=account.person,
        session_digest=terminal.session_key_digest,
        address=terminal.address,
        agent=terminal.agent,
        stamp=stamp_of(account),
        opened_at=now,
        last_at=now,
        ended_at=now if alone else None,
        ended_because=ONE_SIGNING if alone else "",
    )


@unit_of_work
def end_series(*, account_id: int, because: str, keep: str = "", only: int | None = None) -> None:
    """End the open series of an account: `only` that one, and not the one of the session `keep` (a digest). Does
    nothing where none is open."""
    rows = SigningSeries.objects.select_for_update().filter(account_id=account_id, ended_at=None)
    rows = rows.exclude(session_digest=keep) if keep else rows
    for series in rows.filter(pk=only) if only else rows:
        series.ended_at, series.ended_because = timezone.now(), because
        series.save(update_fields=["ended_at", "ended_because"])
        publish(
            series,
            SigningSeriesEnded(account_id=account_id, because=because),
            actor=Actor.person(series.person_id),
        )


@unit_of_work
def session_opened(*, account: Account, terminal: Terminal) -> None:
    """Somebody signed in: series of other sessions end; a new one opens only where the installation says so (ES-02)."""
    end_series(account_id=account.pk, because="new session elsewhere", keep=terminal.session_key_digest)
    if not policy().login_opens_series or account.person is None:
        return
    series = new_series(account, SeriesContext(account.pk, terminal), timezone.now())
    publish(series, SigningSeriesOpened(account_id=account.pk), actor=Actor.person(account.person.pk))


def remembered(
    refusal: SignatureRefused, *, person_id: int | None, account_id: int | None, terminal: Terminal
) -> SignatureRefused:
    """The refusal of a signing, or of a secret that was asked for again, on record whatever becomes of the unit; the third of
    a session in a row is SigningStopped and ends that session (ES-15)."""
    if person_id is None:
        return refusal
    last = _is_last_try(person_id, terminal)
    failed = partial(
        _record_failure,
        person_id=person_id,
        account_id=account_id,
        terminal=terminal,
        rule=refusal.reasons[0].rule,
        ends=last,
    )
    afterwards("A signing failed", failed)
    if not last:
        return refusal
    stopped = Reason("This was the third failed try: the session ends.", "Sign in again.", "ES-15")
    return SigningStopped((*refusal.reasons, stopped))


@unit_of_work
def _record_failure(
    *, person_id: int, account_id: int | None, terminal: Terminal, rule: str, ends: bool
) -> None:
    """A signing was refused for its components: remember it. The third in a row in a session ends the series."""
    person = Person.objects.get(pk=person_id)
    SigningFailure.objects.create(
        person=person,
        session_digest=terminal.session_key_digest,
        address=terminal.address,
        rule=rule,
        at=timezone.now(),
    )
    publish(
        person,
        SigningFailed(person_id=person_id, rule=rule, address=terminal.address),
        actor=Actor.person(person_id),
    )
    if ends and account_id is not None:
        end_series(account_id=account_id, because=THREE_FAILED)
        _end_session(terminal)


def _end_session(terminal: Terminal) -> None:
    """The browser's session, wherever its next request would come from (ES-15)."""
    rows = BrowserSession.objects.select_for_update(of=("self",))
    session = rows.filter(activity__key_digest=terminal.session_key_digest, ended_at=None).first()
    if session is None:
        return
    session.ended_at, session.ended_by = timezone.now(), THREE_FAILED
    session.save(update_fields=["ended_at", "ended_by"])
    told = SessionEnded(account_id=session.account_id, session_id=session.pk, cause=THREE_FAILED)
    publish(session, told, actor=DOOR)


def failures_in_a_row(person_id: int, terminal: Terminal) -> int:
    """Failed signings of this session since its last signature."""
    digest = terminal.session_key_digest
    if not digest:
        return 0
    last = Signature.objects.filter(person_id=person_id, session_digest=digest).order_by("-signed_at").first()
    failed = SigningFailure.objects.filter(person_id=person_id, session_digest=digest)
    return (failed.filter(at__gt=last.signed_at) if last else failed).count()


def _is_last_try(person_id: int, terminal: Terminal) -> bool:
    """Whether a failure now is the third in a row, which ends the session too (ES-15)."""
    return failures_in_a_row(person_id, terminal) + 1 >= FAILURES
