"""Alerts of misuse, to the owner of an account and to the security administrators (21 CFR 11.300(d))."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mes.choices import Role
from mes.eventlog.base import Actor, Recorded
from mes.eventlog.unit import publish, unit_of_work
from mes.events import AccountLocked, AlertSent
from mes.models import Account
from mes.selectors import contact_of, people_with
from mes.services.messages import send_message

ALERT = Actor.system("alert")


class AlertNotSent(RuntimeError):
    """The mail server did not take an alert: it is tried again."""


def send_alert(fact: Recorded[AccountLocked]) -> Callable[[], None]:
    """Send it, and return what records that. Raises AlertNotSent, for the delivery to be tried again.

    Who has no verified address sees the alert under 'Security' alone; the record says how many were told by mail.
    """
    account = Account.objects.select_related("person").get(pk=fact.event.account_id)
    people = {person.pk: person for person in people_with(Role.SEC)}
    if account.person is not None:
        people[account.person.pk] = account.person
    addresses = sorted({contact.address for person in people.values() if (contact := contact_of(person))})
    place = fact.event.place
    text = (
        f"The account '{account.username}' was locked at {fact.recorded_at:%Y-%m-%d %H:%M:%S} UTC "
        f"after five wrong secrets in a row, the last at {fact.event.purpose}.\n\n"
        f"Address: {place['address'] or 'unknown'}\nProgram: {place['agent'] or 'unknown'}\n\n"
        f"It opens again at {fact.event.until}. The right to sign stays suspended until a security "
        "administrator restores it with a reason.\n\n"
        "If this was not you, tell your security administrator."
    )
    if not send_message(addresses, f"Lamina: account {account.username} was locked", text):
        raise AlertNotSent("the mail server did not take it")
    return partial(note_alert, account_id=account.pk, recipients=len(addresses), locked_event=str(fact.uid))


@unit_of_work
def note_alert(*, account_id: int, recipients: int, locked_event: str) -> None:
    account = Account.objects.get(pk=account_id)
    said = AlertSent(account_id=account_id, recipients=recipients, locked_event=locked_event)
    publish(account, said, actor=ALERT)
