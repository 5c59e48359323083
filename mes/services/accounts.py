"""An account's secret through its life: chosen, changed, forced to change, reset by two people; and the account's end."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from mes.choices import ResetState
from mes.eventlog.base import Actor
from mes.eventlog.unit import afterwards, publish, unit_of_work
from mes.events import (
    AccountClosed,
    ContactClosed,
    ContactNamed,
    ContactVerified,
    PasswordChanged,
    PasswordChangeForced,
    ResetApproved,
    ResetRefused,
    ResetRequested,
    ResetUsed,
    ResetVouched,
)
from mes.exceptions import InvalidInput, NotPermitted, Reason, Refused
from mes.locking import locked_row
from mes.models import Account, Contact, FormerPassword, Person, Reset
from mes.passwords import LONGEST, REMEMBERED, SHORTEST, SHORTEST_ALONE
from mes.permissions import require
from mes.selectors import contact_of
from mes.services.administrators import somebody_left
from mes.services.credentials import suspend_right
from mes.services.messages import send_message
from mes.services.notices import tell_owner, tell_owner_of
from mes.services.passkeys import has_passkey
from mes.services.sessions import end_all_sessions
from mes.services.tokens import revoke_all_tokens

LINK_GOOD_FOR = timedelta(minutes=30)
NO_LINK = "This link opens nothing: it was used, ran out, or never was."


def refuse_password(account: Account, password: str) -> None:
    """Raise InvalidInput with every fault of a new password (ES-01, ES-16). An unsaved account has no history."""
    faults = [*_length_faults(account, password), *_validator_faults(account, password)]
    if account.pk and _was_used(account, password):
        faults.append(Reason(f"It is one of the last {REMEMBERED} passwords.", "Choose a new one.", "ES-16"))
    if faults:
        raise InvalidInput(faults)


def _length_faults(account: Account, password: str) -> list[Reason]:
    if len(password) < SHORTEST:
        return [Reason("The password is shorter than 12 characters.", "Choose a longer one.", "ES-01")]
    if len(password) > LONGEST:
        return [Reason(f"The password is longer than {LONGEST} characters.", "Shorten it.", "ES-01")]
    if len(password) < SHORTEST_ALONE and not (account.pk and has_passkey(account)):
        return [
            Reason(
                "The password is shorter than 15 characters, and it is the only factor.",
                "Choose a longer one, or enrol a passkey first.",
                "ES-01",
            )
        ]
    return []


def _validator_faults(account: Account, password: str) -> list[Reason]:
    try:
        validate_password(password, account)
    except ValidationError as error:
        short = "password_too_short"
        return [
            Reason(" ".join(fault.messages), "Choose another.", "ES-16")
            for fault in error.error_list
            if fault.code != short
        ]
    return []


def _was_used(account: Account, password: str) -> bool:
    former = FormerPassword.objects.filter(account=account).order_by("-pk")[:REMEMBERED]
    return any(check_password(password, stored.password) for stored in former)


def choose_password(account: Account, password: str) -> None:
    """Set an account's password and remember it. Part of the caller's unit; `refuse_password` is asked first."""
    account.set_password(password)
    account.password_set_at = timezone.now()
    account.password_short = len(password) < SHORTEST_ALONE
    account.must_change = False
    account.save()
    FormerPassword.objects.create(account=account, password=account.password)


@unit_of_work
def change_password(*, account: Account, password: str, actor: Actor) -> None:
    """The owner, who has just given the old secret, chooses a new one. Ends every session and key of the account: whoever
    knew the old one may hold them (ES-16)."""
    if actor.person_id is None or actor.person_id != account.person_id:
        raise NotPermitted("A password is chosen by its owner.", cure="Ask for a reset.", rule="ES-14")
    account = Account.objects.select_for_update().get(pk=account.pk)
    refuse_password(account, password)
    choose_password(account, password)
    publish(account, PasswordChanged(account_id=account.pk, way="change"), actor=actor)
    tell_owner_of(account, "the password was changed.")
    revoke_all_tokens(account=account, actor=actor)
    end_all_sessions(account=account, cause="password changed", actor=actor)


@unit_of_work
def expect_own_password(*, account: Account, actor: Actor) -> None:
    """Somebody else typed the first password, so it is good for one sign-in: its owner chooses a new one before anything
    else, signing too (11.300(b), ES-16)."""
    require(actor, "mes.guard_accounts")
    account.must_change = True
    account.save(update_fields=["must_change"])
    publish(account, PasswordChangeForced(account_id=account.pk), actor=actor, reason="first sign-in")


@unit_of_work
def force_password_change(*, account: Account, actor: Actor, reason: str) -> None:
    """On compromise: a new password before anything else, no open session and no key to the API, no right to
    sign until restored (ES-16)."""
    require(actor, "mes.guard_accounts")
    _refuse_without(reason)
    account = Account.objects.select_for_update().get(pk=account.pk)
    account.must_change = True
    account.save(update_fields=["must_change"])
    publish(account, PasswordChangeForced(account_id=account.pk), actor=actor, reason=reason)
    revoke_all_tokens(account=account, actor=actor)
    end_all_sessions(account=account, cause="credentials compromised", actor=actor)
    if account.person_id:
        suspend_right(person_id=account.person_id, cause="compromise", actor=actor, reason=reason)


@unit_of_work
def close_account(*, account: Account, actor: Actor, reason: str) -> None:
    """Deactivate, never delete: history and user name stay (K-04). Sessions, keys and passkeys open nothing from now on.

    Raises TransitionRefused for the last account that administers people.
    """
    with somebody_left():
        _closed(account, actor, reason)


def _closed(account: Account, actor: Actor, reason: str) -> None:
    require(actor, "mes.guard_accounts")
    _refuse_without(reason)
    account = Account.objects.select_for_update().get(pk=account.pk)
    if not account.is_active:
        raise Refused("This account is closed already.", cure="Nothing needs to be done.", rule="K-04")
    account.is_active = False
    account.save(update_fields=["is_active"])
    revoke_all_tokens(account=account, actor=actor)
    publish(account, AccountClosed(account_id=account.pk), actor=actor, reason=reason)
    end_all_sessions(account=account, cause="account closed", actor=actor)


def _refuse_without(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput("A reason is missing.", cure="Say why: it stays in the record.", rule="P11-10e")


# --- a verified address


@unit_of_work
def name_contact(*, person: Person, address: str, actor: Actor) -> Contact:
    """Name an address for a person and send it a code. It counts once the person, signed in, gives the code back."""
    if actor.person_id != person.pk:
        require(actor, "mes.guard_accounts")
    code = f"{secrets.randbelow(10**8):08d}"
    try:
        validate_email(address.strip())
    except ValidationError as error:
        raise InvalidInput("This is no e-mail address.", cure="Type it as name@example.org.") from error
    contact = Contact.objects.create(
        person=person, address=address.strip(), code=_keyed(code), named_by=str(actor)
    )
    publish(contact, ContactNamed(person_id=person.pk, contact_id=contact.pk), actor=actor)
    tell_owner(
        person, "Another address for alerts and links was named. It counts once its code was given back."
    )
    text = f"The code is {code}. Type it under 'Your account'.\nIf nobody asked for it, tell your security administrator."
    send = partial(send_message, [contact.address], "Verify this address for Lamina", text)
    afterwards("A code was sent", send)
    return contact


@unit_of_work
def verify_contact(*, contact_id: int, code: str, actor: Actor) -> Contact:
    """The owner gives back what was sent. The address that counted before no longer does."""
    contact = (
        Contact.objects.select_for_update()
        .filter(pk=contact_id, person_id=actor.person_id or 0, verified_at=None, closed=False)
        .first()
    )
    if contact is None or not hmac.compare_digest(contact.code, _keyed(code.strip())):
        if contact is not None:
            afterwards("A code was wrong", partial(close_contact, contact_id=contact_id))
        raise InvalidInput(
            "This is not the code that was sent.", cure="Name the address again.", rule="ES-14"
        )
    standing = {"person_id": contact.person_id, "closed": False, "verified_at__isnull": False}
    former = list(Contact.objects.select_for_update().filter(**standing))
    for one in former:
        _close(one, actor)
    contact.verified_at = timezone.now()
    contact.save(update_fields=["verified_at"])
    publish(contact, ContactVerified(person_id=contact.person_id, contact_id=contact.pk), actor=actor)
    tell_owner(contact.person, "Alerts and links go to another address from now on.", also=former)
    return contact


@unit_of_work
def confirm_contact(*, contact_id: int, actor: Actor) -> Contact:
    """For somebody who cannot sign in yet: a second person, neither who named the address nor its owner, vouches for it.
    Only where no address counts already: one that does is replaced by its owner alone (ES-14)."""
    require(actor, "mes.confirm_identity")
    contact = (
        Contact.objects.select_for_update().filter(pk=contact_id, verified_at=None, closed=False).first()
    )
    if contact is None:
        raise Refused("This address does not wait any more.", cure="Look at the list again.", rule="ES-14")
    if str(actor) in (contact.named_by, str(Actor.person(contact.person_id))):
        raise NotPermitted("A second person confirms an address.", cure="Ask another one.", rule="ES-14")
    if contact_of(contact.person) is not None:
        raise Refused(
            "This person has a verified address.", cure="Its owner replaces it, signed in.", rule="ES-14"
        )
    contact.verified_at = timezone.now()
    contact.save(update_fields=["verified_at"])
    publish(contact, ContactVerified(person_id=contact.person_id, contact_id=contact.pk), actor=actor)
    return contact


@unit_of_work
def close_contact(*, contact_id: int) -> None:
    """One wrong code is one too many: eight digits are guessed by whoever may try for ever."""
    for contact in Contact.objects.select_for_update().filter(pk=contact_id, verified_at=None, closed=False):
        _close(contact, Actor.system("sign-in"))


def _close(contact: Contact, actor: Actor) -> None:
    contact.closed = True
    contact.save(update_fields=["closed"])
    publish(contact, ContactClosed(person_id=contact.person_id, contact_id=contact.pk), actor=actor)


def _keyed(code: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), b"contact" + code.encode(), hashlib.sha256).hexdigest()


# --- a reset takes two people and the owner


@unit_of_work
def request_reset(*, account: Account, actor: Actor, reason: str) -> Reset:
    """Ask for a new secret for somebody who lost the old one: a security administrator, or the owner at the door. The
    administrator is the first of the two who decide; the owner's word, or a stranger's at the door, is none of them."""
    administrator = actor.person_id if actor.person_id != account.person_id else None
    if administrator is not None:
        require(actor, "mes.guard_accounts")
    Account.objects.select_for_update().get(pk=account.pk)
    waiting = Reset.objects.filter(
        account=account, state__in=(ResetState.REQUESTED, ResetState.APPROVED)
    ).first()
    if waiting and not _ran_out(waiting):
        if administrator is not None and waiting.requested_by_id is None:
            _vouch(waiting, actor, reason)
        return waiting
    if waiting:
        _refuse(waiting, Actor.system("reset"), "ran out")
    reset = Reset.objects.create(account=account, requested_by_id=administrator)
    publish(reset, ResetRequested(account_id=account.pk, reset_id=reset.pk), actor=actor, reason=reason)
    return reset


def _ran_out(reset: Reset) -> bool:
    return reset.expires_at is not None and reset.expires_at <= timezone.now()


@unit_of_work
def approve_reset(*, reset_id: int, actor: Actor, reason: str = "") -> None:
    """An administrator, who is neither who asked nor the owner, approves. Where no administrator asked, this one is the
    first of two. After the second a link goes to the owner's verified address (ES-14, P11-200a3)."""
    require(actor, "mes.confirm_identity")
    reset = _waiting(reset_id, ResetState.REQUESTED)
    if actor.person_id is None or actor.person_id in (reset.requested_by_id, reset.account.person_id):
        raise NotPermitted(
            "A reset is approved by a second person, and not by the owner of the account.",
            cure="Ask another one who may.",
            rule="ES-14",
        )
    channel = contact_of(reset.account.person) if reset.account.person else None
    if channel is None:
        raise Refused(
            "The owner has no verified address to send the link to.",
            cure="Proof the identity again and open a new account, or have an address verified first.",
            rule="ES-14",
        )
    if reset.requested_by_id is None:
        _vouch(reset, actor, reason)
        return
    word = secrets.token_urlsafe(32)
    reset.state, reset.approved_by_id, reset.channel = ResetState.APPROVED, actor.person_id, channel
    reset.digest, reset.expires_at = _digest(word), timezone.now() + LINK_GOOD_FOR
    reset.save()
    publish(reset, ResetApproved(account_id=reset.account_id, reset_id=reset.pk), actor=actor, reason=reason)
    text = (
        "Open this within 30 minutes to choose a new password for Lamina:\n\n"
        f"{settings.SITE_ADDRESS}/reset/#{word}\n\n"
        "If you did not ask for it, tell your security administrator at once."
    )
    send = partial(send_message, [channel.address], "A new password for Lamina", text)
    afterwards("A link was sent", send)


def _vouch(reset: Reset, actor: Actor, reason: str) -> None:
    """Be the first of the two administrators who decide about a reset that nobody of them asked for."""
    reset.requested_by_id = actor.person_id
    reset.save(update_fields=["requested_by"])
    said = ResetVouched(account_id=reset.account_id, reset_id=reset.pk)
    publish(reset, said, actor=actor, reason=reason)


@unit_of_work
def refuse_reset(*, reset_id: int, actor: Actor, reason: str) -> None:
    require(actor, "mes.confirm_identity")
    reset = Reset.objects.select_for_update().filter(pk=reset_id).first()
    if reset is None or reset.state not in (ResetState.REQUESTED, ResetState.APPROVED):
        raise Refused("This reset does not wait any more.", cure="Look at the list again.", rule="ES-14")
    _refuse(reset, actor, reason)


def _refuse(reset: Reset, actor: Actor, reason: str) -> None:
    reset.state = ResetState.REFUSED
    reset.save(update_fields=["state"])
    publish(reset, ResetRefused(account_id=reset.account_id, reset_id=reset.pk), actor=actor, reason=reason)


@unit_of_work
def complete_reset(*, word: str, password: str) -> Account:
    """The owner, by the link, chooses a new password. The right to sign is suspended until re-enrolment: a new proofing
    by two people, and the statement accepted with the new secret. Sessions and keys to the API end (ES-14)."""
    reset = (
        Reset.objects.select_for_update(of=("self",))
        .filter(digest=_digest(word), state=ResetState.APPROVED, expires_at__gt=timezone.now())
        .first()
    )
    if reset is None:
        raise Refused(NO_LINK, cure="Ask for a new one.", rule="ES-14")
    account = Account.objects.select_for_update().get(pk=reset.account_id)
    if not account.is_active:
        raise Refused(NO_LINK, cure="Ask for a new one.", rule="ES-14")
    refuse_password(account, password)
    choose_password(account, password)
    account.failures, account.locked_until = 0, None
    account.save(update_fields=["failures", "locked_until"])
    reset.state = ResetState.USED
    reset.save(update_fields=["state"])
    actor = Actor.person(account.person_id) if account.person_id else Actor.system("reset")
    publish(reset, ResetUsed(account_id=account.pk, reset_id=reset.pk), actor=actor)
    publish(account, PasswordChanged(account_id=account.pk, way="reset"), actor=actor)
    tell_owner_of(account, "a new password was set by the link of a reset.")
    if account.person_id:
        suspend_right(person_id=account.person_id, cause="reset", actor=actor)
    revoke_all_tokens(account=account, actor=actor)
    end_all_sessions(account=account, cause="password reset", actor=actor)
    return account


def _waiting(reset_id: int, state: ResetState) -> Reset:
    reset = locked_row(Reset.objects.filter(state=state).select_related("account__person"), reset_id)
    if reset is None:
        raise Refused("This reset does not wait any more.", cure="Look at the list again.", rule="ES-14")
    return reset


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()
