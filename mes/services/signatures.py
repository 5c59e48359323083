"""Electronic signatures: two components, a meaning, and the exact content that was shown (ES-01, ES-07 to ES-10)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.utils import timezone

from mes.choices import Meaning
from mes.eventlog.base import Actor, canonical
from mes.eventlog.unit import running_unit
from mes.exceptions import SignatureRefused
from mes.models import Account, Signature, Stream
from mes.selectors import roles_of, stream_of


@dataclass(frozen=True)
class Credentials:
    """What a signer types: user id and password. `digest` is that of the content the dialog showed, if it showed one."""

    username: str
    password: str = field(repr=False)
    digest: str = ""
    comment: str = ""


def content_digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def sign(
    *, subject: Model, content: Mapping[str, Any], meaning: Meaning, actor: Actor, credentials: Credentials
) -> Signature:
    """Sign `content` about a root. Part of the calling service's unit: the signature stands with its change, or not at all.

    Raises SignatureRefused where the components are wrong, belong to somebody else, or the content is no longer the
    one that was shown (ES-19).
    """
    running_unit("A signature was made")
    account = _authenticated(actor, credentials)
    text = canonical(content)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if credentials.digest and credentials.digest != digest:
        raise SignatureRefused(
            "The content changed after it was shown.", cure="Read it again, then sign.", rule="ES-19"
        )
    person = account.person
    if person is None:
        raise SignatureRefused("A program cannot sign.", cure="A person signs.", rule="ES-12")
    kind, key = stream_of(subject)
    version = Stream.objects.filter(type=kind, id=key).values_list("version", flat=True).first()
    return Signature.objects.create(
        subject_type=kind,
        subject_id=key,
        subject_version=version or 0,
        content=text,
        content_digest=digest,
        meaning=meaning,
        statement=meaning.label,
        comment=credentials.comment,
        account=account,
        person=person,
        printed_name=str(person),
        roles=" ".join(sorted(roles_of(person))),
        signed_at=timezone.now(),
        timezone=person.timezone,
        method="user id + password",
    )


def _authenticated(actor: Actor, credentials: Credentials) -> Account:
    account = (
        Account.objects.filter(username__iexact=credentials.username, is_active=True)
        .select_related("person")
        .first()
    )
    if account is None:
        # The same work as for a known name, so that timing does not tell which names exist.
        Account().set_password(credentials.password)
    if account is None or not account.check_password(credentials.password):
        raise SignatureRefused("User id or password is wrong.", cure="Type both again.", rule="ES-01")
    if account.person_id != actor.person_id:
        raise SignatureRefused(
            "This account belongs to somebody else.", cure="Sign as yourself.", rule="ES-12"
        )
    if account.person is None or not account.person.active:
        raise SignatureRefused(
            "This person is not active.", cure="Ask the security administrator.", rule="P11-10d"
        )
    return account


def stands_for(signature: Signature, content: Mapping[str, Any]) -> bool:
    """Whether a signature is over exactly this content. A changed content voids it (ES-10)."""
    recomputed = hashlib.sha256(signature.content.encode()).hexdigest()
    return recomputed == signature.content_digest == content_digest(content)
