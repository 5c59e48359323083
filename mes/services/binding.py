"""Who an account is at an identity provider. A binding opens the account, so it is a reset: proposed by one person,
confirmed by a second, told to the owner, and without the right to sign until the owner re-enrolled (ES-14, P11-200a3)."""

from __future__ import annotations

from functools import partial

from django.utils import timezone

from mes.eventlog.base import Actor
from mes.eventlog.unit import afterwards, publish, unit_of_work
from mes.events import IdentityBindingProposed, IdentityBound, IdentityUnbound
from mes.exceptions import InvalidInput, NotPermitted, Refused
from mes.locking import locked_row
from mes.models import Account, FederatedIdentity, Person
from mes.permissions import require
from mes.selectors import contact_of
from mes.services.credentials import suspend_right
from mes.services.messages import send_message
from mes.services.sessions import end_all_sessions
from mes.services.tokens import revoke_all_tokens
from mes.text import names_read

TITLE = "Who signs in as you at Lamina"
PROPOSED = (
    "It was proposed that an identity of your identity provider opens your account at Lamina. Nothing follows from it "
    "before a second person has confirmed it.\n\nIf you did not ask for it, tell your security administrator and your "
    "quality reviewer at once."
)
BOUND = (
    "From now on an identity of your identity provider opens your account at Lamina. Every session and every key to the API has ended, and you "
    "may not sign until your identity was proofed again and you accepted the statement anew.\n\nIf you did not ask for "
    "it, tell your security administrator and your quality reviewer at once."
)


@unit_of_work
def propose_binding(
    *, account: Account, issuer: str, subject: str, actor: Actor, reason: str
) -> FederatedIdentity:
    """Propose which subject of a provider an account is. It opens nothing before a second person confirmed it (ES-14).

    Raises NotPermitted for the own account and for a program, InvalidInput for a subject that is bound or proposed.
    """
    require(actor, "mes.guard_accounts")
    _refuse_alone(actor, account)
    if not account.is_active or account.person is None:
        raise InvalidInput("Only a person's open account is bound.", cure="Choose another one.", rule="ES-12")
    read = names_read({"The issuer": issuer, "The subject": subject}, longest=255, rule="ES-12")
    named = {"issuer": read["The issuer"], "subject": read["The subject"]}
    if FederatedIdentity.objects.filter(**named, closed=False).exists():
        raise InvalidInput(
            "This subject is bound to an account, or waits for it.", cure="Unbind it first.", rule="P11-100a"
        )
    identity = FederatedIdentity.objects.create(account=account, proposed_by_id=actor.person_id, **named)
    event = IdentityBindingProposed(account_id=account.pk, **named)
    publish(identity, event, actor=actor, reason=reason)
    _tell(account.person, PROPOSED)
    return identity


def _refuse_alone(actor: Actor, account: Account) -> None:
    if actor.person_id is None:
        raise NotPermitted("Two people bind an account.", cure="Sign in and propose it.", rule="ES-14")
    if actor.person_id == account.person_id:
        raise NotPermitted(
            "Nobody binds the own account.", cure="Ask another administrator.", rule="P11-200a3"
        )


@unit_of_work
def confirm_binding(*, identity_id: int, actor: Actor, reason: str = "") -> FederatedIdentity:
    """The second person: neither who proposed it nor the owner. The account opens by the provider from now on; its
    sessions end and the right to sign is suspended until re-enrolment, as after a reset (ES-14)."""
    require(actor, "mes.confirm_identity")
    waiting = FederatedIdentity.objects.filter(confirmed_at=None, closed=False)
    identity = locked_row(waiting.select_related("account__person"), identity_id)
    if identity is None:
        raise Refused("This binding does not wait any more.", cure="Look at the list again.", rule="ES-14")
    _refuse_alone(actor, identity.account)
    if identity.proposed_by_id in (None, actor.person_id):
        raise NotPermitted(
            "A binding is confirmed by a second person, and not by who proposed it.",
            cure="Ask another one who may; unbind it and propose it anew where nobody is known to have proposed it.",
            rule="ES-14",
        )
    person = _told_owner(identity.account)
    identity.confirmed_by_id, identity.confirmed_at = actor.person_id, timezone.now()
    identity.save(update_fields=["confirmed_by", "confirmed_at"])
    bound = IdentityBound(account_id=identity.account_id, issuer=identity.issuer, subject=identity.subject)
    publish(identity, bound, actor=actor, reason=reason)
    suspend_right(person_id=person.pk, cause="reset", actor=actor, reason="bound to an identity provider")
    revoke_all_tokens(account=identity.account, actor=actor)
    end_all_sessions(account=identity.account, cause="identity bound", actor=actor)
    _tell(person, BOUND)
    return identity


def _told_owner(account: Account) -> Person:
    """The owner, who has an address to be told at. Raises Refused without one, as the approval of a reset does."""
    if account.person is None or not account.is_active or contact_of(account.person) is None:
        raise Refused(
            "The owner of this account has no verified address to be told at.",
            cure="Have an address verified first.",
            rule="ES-14",
        )
    return account.person


def _tell(person: Person, text: str) -> None:
    if contact := contact_of(person):
        afterwards("The owner was told", partial(send_message, [contact.address], TITLE, text))


@unit_of_work
def unbind_identity(*, identity: FederatedIdentity, actor: Actor, reason: str) -> None:
    """A subject opens the account no longer, or what was proposed never will. One person may: it takes, and gives nothing."""
    require(actor, "mes.guard_accounts")
    identity = FederatedIdentity.objects.select_for_update().get(pk=identity.pk)
    identity.closed = True
    identity.save(update_fields=["closed"])
    publish(
        identity,
        IdentityUnbound(account_id=identity.account_id, issuer=identity.issuer, subject=identity.subject),
        actor=actor,
        reason=reason,
    )
