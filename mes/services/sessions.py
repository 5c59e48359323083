"""Signed-in browsers: opened, locked when idle, opened again with the secret, ended here or elsewhere (P11-10d)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import UUIDField
from django.utils import timezone

from mes.compiled import Compiled, Slot
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import SessionEnded, SessionLocked, SessionsConcurrent, SessionUnlocked, SignedIn
from mes.exceptions import NotPermitted, Refused
from mes.models import Account, BrowserSession, SessionActivity
from mes.permissions import require
from mes.selectors import open_sessions
from mes.terminals import Terminal

NOTE_EVERY = timedelta(seconds=30)


@unit_of_work
def open_session(*, account: Account, method: str, terminal: Terminal) -> BrowserSession:
    """Record that an account signed in, and flag it where other sessions of it are open elsewhere (11.200(a)(2))."""
    others = open_sessions(account).exclude(address=terminal.address, agent=terminal.agent).count()
    session = BrowserSession.objects.create(
        uid=uuid4(), account=account, address=terminal.address[:45], agent=terminal.agent, method=method
    )
    now = timezone.now()
    SessionActivity.objects.create(session=session, key_digest=terminal.session_key_digest, seen_at=now)
    actor = actor_of(account)
    where = terminal.as_payload()
    said = SignedIn(account_id=account.pk, session_id=session.pk, method=method, place=where)
    publish(session, said, actor=actor)
    if others:
        flag = SessionsConcurrent(account_id=account.pk, open_sessions=others + 1, place=where)
        publish(session, flag, actor=actor)
    return session


def actor_of(account: Account) -> Actor:
    return Actor.person(account.person_id) if account.person_id else Actor.system("program")


def session_of(uid: str) -> BrowserSession | None:
    """The session behind the id in a browser's session data, ended or not."""
    try:
        key = UUID(uid)
    except ValueError:
        return None
    return _SESSION.first(uid=key)


_SESSION = Compiled(
    lambda: BrowserSession.objects.filter(uid=Slot("uid", UUIDField())).select_related(
        "activity", "account__person"
    )
)


@unit_of_work
def note_activity(*, session: BrowserSession, terminal: Terminal) -> None:
    """That a session is in use, written at most every 30 s, and under which key it now runs."""
    SessionActivity.objects.filter(session=session).update(
        seen_at=timezone.now(), key_digest=terminal.session_key_digest
    )


def is_idle(session: BrowserSession) -> bool:
    idle: timedelta = settings.IDLE
    return session.locked_at is not None or timezone.now() - session.activity.seen_at > idle


@unit_of_work
def lock_session(*, session: BrowserSession) -> None:
    """Nothing but the secret opens it again. Safe to repeat."""
    changed = BrowserSession.objects.filter(pk=session.pk, locked_at=None).update(locked_at=timezone.now())
    if changed:
        said = SessionLocked(account_id=session.account_id, session_id=session.pk)
        publish(session, said, actor=actor_of(session.account))


@unit_of_work
def unlock_session(*, session: BrowserSession, method: str, terminal: Terminal) -> None:
    BrowserSession.objects.filter(pk=session.pk).update(locked_at=None)
    note_activity(session=session, terminal=terminal)
    said = SessionUnlocked(account_id=session.account_id, session_id=session.pk, method=method)
    publish(session, said, actor=actor_of(session.account))


@unit_of_work
def end_session(*, session: BrowserSession, cause: str, actor: Actor) -> None:
    """End a session, one's own or, as a security administrator, anybody's. Its browser is out at its next request, its
    sockets within seconds. Safe to repeat."""
    if actor.person_id is not None and actor.person_id != session.account.person_id:
        require(actor, "mes.guard_accounts")
    found = BrowserSession.objects.select_for_update().get(pk=session.pk)
    if found.ended_at is None:
        found.ended_at, found.ended_by = timezone.now(), cause
        found.save(update_fields=["ended_at", "ended_by"])
        publish(
            found, SessionEnded(account_id=found.account_id, session_id=found.pk, cause=cause), actor=actor
        )


@unit_of_work
def end_own_session(*, account: Account, session_id: int, actor: Actor) -> None:
    """Sign out elsewhere: one of the own sessions, by its number."""
    session = open_sessions(account).filter(pk=session_id).select_related("account").first()
    if session is None:
        raise Refused("There is no such open session.", cure="Look at the list again.")
    if actor.person_id is None or account.person_id != actor.person_id:
        raise NotPermitted("This session is somebody else's.", cure="End your own.", rule="P11-10d")
    end_session(session=session, cause="signed out elsewhere", actor=actor)


@unit_of_work
def end_all_sessions(
    *, account: Account, cause: str, actor: Actor, keep: BrowserSession | None = None
) -> None:
    for session in open_sessions(account).select_related("account").exclude(pk=keep.pk if keep else 0):
        end_session(session=session, cause=cause, actor=actor)
