"""The one place where a secret is looked at, for sign-in and for signing, with one counter for both (ES-15).

Five wrong secrets in a row lock the account for 30 minutes and suspend the right to sign until a security administrator
restores it; three in one session, at signing, end the session. What failed is recorded even where the act it belonged
to is rolled back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from django.db.models import BigIntegerField
from django.utils import timezone

from mes.choices import RightState
from mes.compiled import Compiled, Slot
from mes.eventlog.base import Actor, plain
from mes.eventlog.unit import afterwards, open_unit, publish, unit_of_work
from mes.events import (
    AccountLocked,
    FailuresForgotten,
    SecretRefused,
    SigningRightSuspended,
    SourceSlowed,
    UnknownNameRefused,
)
from mes.exceptions import Refused, SignatureRefused
from mes.locking import in_turn
from mes.models import Account, SigningRight, SignInSource
from mes.selectors import is_locked
from mes.services.federation import spend_proof
from mes.services.passkeys import refuse_new_passkey, verified_passkey
from mes.terminals import Terminal
from mes.text import username_read

Purpose = Literal["sign-in", "signing"]

LOCK_AFTER = 5
LOCK_FOR = timedelta(minutes=30)
SOURCE_FAILURES = 20
SOURCE_WINDOW = timedelta(minutes=10)
DOOR = Actor.system("sign-in")
PASSWORD, PASSKEY, PROVIDER = "user id + password", "user id + passkey", "user id + provider"
FRESH = "fresh:"
MISUSE = "misuse"
"""Wrong secrets in a row suspended a right: no person did (ES-15)."""
LONGEST = 20_000
WRONG = "User id or password is wrong, or this account is closed or locked."


@dataclass(frozen=True)
class CheckedSecret:
    """A secret that was right just now: whose, by which method, and when it was given."""

    account: Account
    method: str
    at: datetime


def account_named(username: str) -> Account | None:
    """The account of a user id in any case and form of its letters, or None. Closed and locked ones too: `check_secret` refuses them alike."""
    return Account.objects.named(username).select_related("person").first()


_AS_IT_STANDS = Compiled(
    lambda: Account.objects.filter(pk=Slot("key", BigIntegerField())).select_related("person")
)


def check_secret(
    account: Account | None,
    *,
    password: str = "",
    assertion: str = "",
    purpose: Purpose,
    terminal: Terminal,
    typed: str = "",
) -> CheckedSecret:
    """Look at one secret: a password, a passkey's answer (WebAuthn JSON), or `fresh:…` from the identity provider.

    Raises SignatureRefused (ES-01, ES-15) with one text, whatever was wrong: no such name, a closed or locked account, a
    wrong secret. The same work is done for all of them. Joins a running unit, whose fate the count does not share.

    The secrets of one name are judged one after the other, each once the failure before it is counted: of many guesses
    at once the fifth locks. `typed` is the name that nobody has, which waits its turn alike.
    """
    method = _method(assertion)
    with open_unit(), in_turn(f"secret of {username_read(account.username if account else typed).lower()}"):
        if account is not None:
            # As it stands now: a lock that came since the caller read it counts.
            account = _AS_IT_STANDS.first(key=account.pk)
        right = _is_right(account, password, assertion, purpose, terminal)
        if account is not None and right and _is_open(account):
            if account.failures:
                afterwards("Failures were forgotten", partial(_forget_failures, account_id=account.pk))
            return CheckedSecret(account, method, timezone.now())
        count = _count_failure if account is not None else _count_stranger
        key = account.pk if account is not None else 0
        failed = partial(count, account_id=key, purpose=purpose, method=method, terminal=terminal)
        afterwards("A secret was wrong", failed)
        raise SignatureRefused(
            WRONG,
            cure="Type both again. After five failures the account is locked for 30 minutes; "
            "the security administrator helps.",
            rule="ES-01",
        )


def admit(account: Account | None, *, terminal: Terminal) -> CheckedSecret:
    """Let in whom the identity provider vouches for, by a token that was verified. Raises SignatureRefused for a subject
    that nobody is bound to and for an account that is closed or locked."""
    if account is None or not _is_open(account):
        refuse_stranger(terminal)
        raise SignatureRefused(WRONG, cure="Ask the security administrator.", rule="ES-01")
    return CheckedSecret(account, PROVIDER, timezone.now())


def refuse_stranger(terminal: Terminal) -> None:
    """Record that the provider vouched for nobody whom we know."""
    _count_stranger(account_id=0, purpose="sign-in", method=PROVIDER, terminal=terminal)


def refuse_flood(terminal: Terminal) -> None:
    """Refuse an address from which too many secrets failed lately. Ask it only for browsers that never signed in here:
    so nobody can shut everybody out from behind a shared address (ES-15)."""
    source = SignInSource.objects.filter(network=terminal.network).first()
    if source and source.failures >= SOURCE_FAILURES and timezone.now() - source.window_from < SOURCE_WINDOW:
        raise Refused(
            "Too many attempts came from here.", cure="Wait ten minutes, then try again.", rule="ES-15"
        )


def _is_open(account: Account) -> bool:
    person_stands = account.person is None or account.person.active
    return account.is_active and person_stands and not account.is_service and not is_locked(account)


def _method(assertion: str) -> str:
    if not assertion:
        return PASSWORD
    return PROVIDER if assertion.startswith(FRESH) else PASSKEY


def _is_right(
    account: Account | None, password: str, assertion: str, purpose: Purpose, terminal: Terminal
) -> bool:
    if len(assertion) > LONGEST or len(password) > LONGEST:
        return False
    if not assertion:
        return _password_is_right(account, password)
    if account is None:
        return False
    if assertion.startswith(FRESH):
        return spend_proof(account=account, proof=assertion.removeprefix(FRESH), terminal=terminal)
    passkey = verified_passkey(account=account, assertion=assertion, purpose=purpose)
    if passkey is not None and purpose == "signing":
        refuse_new_passkey(passkey, terminal)
    return passkey is not None


def _password_is_right(account: Account | None, password: str) -> bool:
    if account is None:
        # The same work as for a known name, so that timing does not tell which names exist.
        Account().set_password(password)
        return False
    return account.check_password(password)


@unit_of_work
def _count_failure(*, account_id: int, purpose: Purpose, method: str, terminal: Terminal) -> None:
    account = Account.objects.select_for_update().get(pk=account_id)
    locked = is_locked(account)
    if not locked:
        account.failures += 1
    said = SecretRefused(
        account_id=account.pk,
        purpose=purpose,
        method=method,
        failures=account.failures,
        place=terminal.as_payload(),
    )
    publish(account, said, actor=DOOR)
    if account.failures >= LOCK_AFTER:
        _lock(account, purpose, terminal)
    account.save(update_fields=["failures", "locked_until"])
    _count_source(terminal)


def _lock(account: Account, purpose: Purpose, terminal: Terminal) -> None:
    account.failures = 0
    account.locked_until = timezone.now() + LOCK_FOR
    publish(
        account,
        AccountLocked(
            account_id=account.pk,
            until=str(plain(account.locked_until)),
            purpose=purpose,
            place=terminal.as_payload(),
        ),
        actor=DOOR,
    )
    if account.person_id:
        suspend_right(person_id=account.person_id, cause=MISUSE, actor=DOOR)


@unit_of_work
def suspend_right(*, person_id: int, cause: str, actor: Actor, reason: str = "") -> None:
    """Suspend a person's right to sign. A reset outlasts all else: only re-enrolment ends it. What a person suspended
    outlasts a lock, or wrong secrets would make it what one person restores."""
    right = SigningRight.objects.select_for_update().filter(person_id=person_id).first()
    if right is None:
        right = SigningRight(person_id=person_id)
    elif right.state == RightState.SUSPENDED and (
        right.cause == "reset" or (cause == MISUSE and right.cause != MISUSE)
    ):
        return
    right.state, right.cause, right.changed_at = RightState.SUSPENDED, cause, timezone.now()
    right.save()
    publish(right, SigningRightSuspended(person_id=person_id, cause=cause), actor=actor, reason=reason)


@unit_of_work
def _count_stranger(*, account_id: int, purpose: Purpose, method: str, terminal: Terminal) -> None:
    source = _count_source(terminal)
    publish(source, UnknownNameRefused(method=method, place=terminal.as_payload()), actor=DOOR)


def _count_source(terminal: Terminal) -> SignInSource:
    now = timezone.now()
    SignInSource.objects.get_or_create(network=terminal.network, defaults={"window_from": now})
    source = SignInSource.objects.select_for_update().get(network=terminal.network)
    if now - source.window_from >= SOURCE_WINDOW:
        source.window_from, source.failures = now, 0
    source.failures += 1
    source.save(update_fields=["window_from", "failures"])
    if source.failures == SOURCE_FAILURES:
        publish(source, SourceSlowed(network=source.network, failures=source.failures), actor=DOOR)
    return source


@unit_of_work
def _forget_failures(*, account_id: int) -> None:
    """Only failures in a row count. A fact, so that a count which somebody lowered behind the services is found (ES-15)."""
    account = Account.objects.select_for_update().get(pk=account_id)
    if account.failures:
        forgotten = FailuresForgotten(account_id=account.pk, failures=account.failures)
        account.failures = 0
        account.save(update_fields=["failures"])
        publish(account, forgotten, actor=DOOR)
