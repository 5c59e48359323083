"""Telling the owner of an account that what opens it changed, so that nobody changes it unnoticed (21 CFR 11.300(d))."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from mes.eventlog.unit import afterwards
from mes.models import Account, Contact, Person
from mes.selectors import contact_of
from mes.services.messages import send_message

TITLE = "Your account at Lamina was changed"
IF_NOT = "If this was not you, tell your security administrator at once, and end your other sessions under 'Your account'."


def tell_owner(person: Person | None, text: str, *, also: Iterable[Contact] = ()) -> None:
    """Write to a person's verified address, and to `also`, once the running unit has ended. Part of the caller's unit.

    Who has no verified address sees the change under 'Your account' alone.
    """
    if person is None:
        return
    verified = contact_of(person)
    known = [*([verified] if verified else []), *also]
    if addresses := sorted({contact.address for contact in known}):
        afterwards("The owner was told", partial(send_message, addresses, TITLE, f"{text}\n\n{IF_NOT}"))


def tell_owner_of(account: Account, text: str) -> None:
    """Likewise, naming the account."""
    tell_owner(account.person, f"Account '{account.username}': {text}")
