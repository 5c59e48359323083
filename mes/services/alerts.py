"""Alerts of misuse to the owner of an account and the security administrators (21 CFR 11.300(d)), and of an access in an
emergency to the privacy officers and the manager."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from mes.choices import Role
from mes.eventlog.base import Actor, Recorded
from mes.eventlog.unit import publish, unit_of_work
from mes.events import AccountLocked, AlertSent, EmergencyAccessOpened, EmergencyTold
from mes.models import Account, EmergencyAccess, Person
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
    addresses = _addresses(people.values())
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


def _addresses(people: Iterable[Person]) -> list[str]:
    return sorted({contact.address for person in people if (contact := contact_of(person))})


def send_emergency_notice(fact: Recorded[EmergencyAccessOpened]) -> Callable[[], None]:
    """Send it, and return what records that. Raises AlertNotSent, for the delivery to be tried again.

    Neither the patient's token nor the reason stands in it: the reason is free text, and mail leaves the house (K-13).
    """
    access = EmergencyAccess.objects.select_related("person", "manager").get(pk=fact.event.access_id)
    people = [*people_with(Role.PRV), *filter(None, [access.manager])]
    addresses = _addresses(person for person in people if person != access.person)
    manager = access.manager or "nobody is named: the privacy officer reviews it alone"
    text = (
        f"{access.person} took access to a patient's identity in an emergency at "
        f"{access.opened_at:%Y-%m-%d %H:%M:%S} UTC. It ends by itself at {access.expires_at:%H:%M} UTC.\n\n"
        f"Manager: {manager}\n\n"
        f"Why, and what was looked at, stands under {access.code} in Lamina. It can be ended there now, and is reviewed afterwards."
    )
    if not send_message(addresses, f"Lamina: {access.code}, access in an emergency", text):
        raise AlertNotSent("the mail server did not take it")
    return partial(note_emergency_notice, access_id=access.pk, recipients=len(addresses))


@unit_of_work
def note_emergency_notice(*, access_id: int, recipients: int) -> None:
    access = EmergencyAccess.objects.get(pk=access_id)
    publish(access, EmergencyTold(access_id=access_id, recipients=recipients), actor=ALERT)


@unit_of_work
def note_alert(*, account_id: int, recipients: int, locked_event: str) -> None:
    account = Account.objects.get(pk=account_id)
    said = AlertSent(account_id=account_id, recipients=recipients, locked_event=locked_event)
    publish(account, said, actor=ALERT)
