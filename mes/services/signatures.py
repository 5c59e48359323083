"""Electronic signatures: two components, a meaning, and the exact content that was shown (ES-01 to ES-12, ES-19)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Model, TextField
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils import timezone

from mes import VERSION
from mes.choices import Meaning
from mes.clock import clock_faults
from mes.compiled import Compiled, Slot
from mes.eventlog.base import Actor, canonical, plain
from mes.eventlog.unit import afterwards, publish, running_unit, say
from mes.eventlog.waiting import seal_faults
from mes.events import SignatureGiven
from mes.exceptions import ContentChanged, ContentUnseen, SignatureRefused
from mes.models import Account, Person, Signature, SigningSeries, Stream
from mes.selectors import roles_of, stream_of
from mes.services.signing_policy import (
    COMMENTED,
    DECIDED_ALONE,
    NEVER_TOGETHER,
    STATEMENT_VERSION,
    config_version,
)
from mes.services.signing_rights import require_confirmed, require_right
from mes.services.signing_secret import check_signing_secret
from mes.services.signing_series import (
    NO_TERMINAL,
    SeriesContext,
    end_series,
    new_series,
    remembered,
    series_for_signing,
)
from mes.signing_seal import (
    CANON,
    hash_of,
    manifest_digest,
    new_in_force,
    seal,
    seal_is_signed,
)
from mes.text import read_words, username_read

EXPLAINED = ("reason", "justification")


DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass
class Signer:
    """Who was recognised by which components, and the series that the next signature is part of."""

    account: Account
    person: Person
    series: SigningSeries
    method: str
    components: int


@dataclass
class Together:
    """Several signatures of one act and one meaning (ES-05). `signer` is known from the first on: the secret is asked
    for once.

    whole: the digest of one thing that is decided about as a whole, such as a series; every content that is signed carries it.
    Then the act is one decision, also where decisions are made one at a time."""

    meaning: Meaning
    whole: str = ""
    uid: UUID = field(default_factory=uuid4)
    signer: Signer | None = None


@dataclass(frozen=True)
class Credentials:
    """What a signer types: user id and secret.

    `digest`: that of the content which was shown. Every door hands on what came with the request, and an empty one is
    refused (ES-19). None is for code that composes the content itself: a demo, a test.

    `series`: the session it comes from; within a running series the user id may be left out. `assertion`: a passkey's
    answer in place of the password. `meaning`: the one that was chosen, which must be the transition's.
    """

    username: str
    password: str = field(repr=False)
    digest: str | None = None
    comment: str = ""
    series: SeriesContext | None = None
    assertion: str = field(default="", repr=False)
    meaning: str = ""
    together: Together | None = field(default=None, repr=False)


def content_digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def sign(
    *, subject: Model, content: Mapping[str, Any], meaning: Meaning, actor: Actor, credentials: Credentials
) -> Signature:
    """Sign `content` about a root. Part of the calling service's unit: the signature stands with its change, or not at all.

    Raises NotPermitted where nobody confirmed in time the role that is signed with (G-OPR-02), SignatureRefused where the components are wrong or belong to somebody else (ES-01 to ES-03, ES-12), the
    account has no right to sign (ES-13), the clock is wrong (G-CLK-01), the seals are (G-INT-01) or the meaning is another one (ES-06),
    ContentUnseen, before any secret is looked at, where no digest says what was shown, and ContentChanged where the
    content is no longer that one (ES-19).
    """
    running_unit("A signature was made")
    credentials = replace(credentials, comment=read_words({"comment": credentials.comment})["comment"])
    say(text=credentials.comment, actor=actor)
    now = timezone.now()
    _refuse_wrong_clock(now, credentials)
    _refuse_unsealed(credentials.together)
    _refuse_unseen(content, credentials)
    _refuse_alone(subject, content, meaning, credentials.together)
    signer = _signer(actor, credentials, meaning, now)
    require_right(signer.account, meaning, now)
    require_confirmed(signer.person, now)
    _refuse_other_meaning(meaning, content, credentials)
    _refuse_changed(content, credentials)
    row = _row(subject, canonical(content), meaning, signer, credentials, now)
    seal(row)
    row.save(force_insert=True)
    _count(row, signer.series, actor)
    return row


def _refuse_wrong_clock(now: datetime, credentials: Credentials) -> None:
    if faults := clock_faults(now=now, newest=_newest_sealed()):
        if credentials.series:
            over = partial(end_series, account_id=credentials.series.account_id, because="clock fault")
            afterwards("A series ended", over)
        raise SignatureRefused(faults)


def _refuse_unsealed(together: Together | None) -> None:
    """Nothing is signed over a record that the sealer will not sign (K-14). Asked once for what is signed together."""
    if (together is None or together.signer is None) and (faults := seal_faults()):
        raise SignatureRefused(faults)


def _newest_sealed() -> datetime | None:
    """When the newest signature was given that this server sealed: a row of the future that was put in behind the
    services' back stops nobody from signing. `manage.py verify` names it."""
    newest = _NEWEST.first()
    if newest is None or seal_is_signed(newest):
        return newest.signed_at if newest else None
    rows = Signature.objects.order_by("-pk")
    return next((row.signed_at for row in rows.iterator(chunk_size=10) if seal_is_signed(row)), None)


_NEWEST = Compiled(lambda: Signature.objects.order_by("-pk")[:1])


def _refuse_unseen(content: Mapping[str, Any], credentials: Credentials) -> None:
    if credentials.digest == "":
        refusal = ContentUnseen(
            "Nothing says what you were shown: the digest of the content is missing. Nothing was signed.",
            cure="Read the content, then send its digest along.",
            rule="ES-19",
        )
        refusal.content, refusal.digest = plain(content), content_digest(content)
        raise refusal


def _refuse_changed(content: Mapping[str, Any], credentials: Credentials) -> None:
    if credentials.digest is not None and credentials.digest != content_digest(content):
        raise ContentChanged(
            "The content changed after it was shown.", cure="Read it again, then sign.", rule="ES-19"
        )


def refuse_other(content: Mapping[str, Any], credentials: Credentials) -> None:
    """For who signs several contents that were shown as one: raises ContentUnseen where no digest says that it was, and
    ContentChanged where that one was another (ES-19)."""
    _refuse_unseen(content, credentials)
    _refuse_changed(content, credentials)


def _refuse_other_meaning(meaning: Meaning, content: Mapping[str, Any], credentials: Credentials) -> None:
    if credentials.meaning and credentials.meaning != meaning:
        raise SignatureRefused(
            f"This step is signed as “{meaning.label}”, not as what was chosen.",
            cure="Open the dialog again and choose from its list.",
            rule="ES-06",
        )
    explained = credentials.comment.strip() or any(content.get(name) for name in EXPLAINED)
    if meaning in COMMENTED and not explained:
        raise SignatureRefused("Who refuses or withdraws says why.", cure="Write a comment.", rule="P11-10e")


def _refuse_alone(
    subject: Model, content: Mapping[str, Any], meaning: Meaning, together: Together | None
) -> None:
    """Releases, design approvals and dispositions are decided one at a time (ES-05); what is one whole is one of them."""
    if together is None or _is_of(together.whole, content):
        return
    if meaning in NEVER_TOGETHER or stream_of(subject)[0] in DECIDED_ALONE:
        raise SignatureRefused(
            f"“{meaning.label}” is signed for one record at a time.",
            cure="Open it and sign it there.",
            rule="ES-05",
        )


def _is_of(whole: str, content: Mapping[str, Any]) -> bool:
    """Whether a content carries the digest of the whole that it is decided with: a value by itself, and no part of one."""
    return bool(DIGEST.fullmatch(whole)) and json.dumps(whole) in canonical(content)


def _signer(actor: Actor, credentials: Credentials, meaning: Meaning, now: datetime) -> Signer:
    """Who signs, once for everything that is signed together."""
    together = credentials.together
    if together is None:
        return _recognised(actor, credentials, now)
    if meaning != together.meaning:
        raise SignatureRefused(
            "What is signed together has one meaning.", cure="Sign the others by themselves.", rule="ES-05"
        )
    together.signer = together.signer or _recognised(actor, credentials, now)
    return together.signer


def _recognised(actor: Actor, credentials: Credentials, now: datetime) -> Signer:
    series = series_for_signing(credentials.series, now)
    _refuse_missing(credentials, series)
    account = _account(credentials, series)
    try:
        used = check_signing_secret(
            account,
            typed=credentials.username,
            password=credentials.password,
            assertion=credentials.assertion,
            terminal=credentials.series.terminal if credentials.series else NO_TERMINAL,
        )
        account, person = _owner(account, actor)
    except SignatureRefused as refusal:
        context = credentials.series
        raise remembered(
            refusal,
            person_id=actor.person_id,
            account_id=context.account_id if context else None,
            terminal=context.terminal if context else NO_TERMINAL,
        ) from None
    goes_on = series is not None and series.account_id == account.pk
    if series is None or not goes_on:
        if series is not None:
            end_series(account_id=series.account_id, because="another account", only=series.pk)
        series = new_series(account, credentials.series, now)
    return Signer(account, person, series, used.method, 1 if goes_on else 2)


def _refuse_missing(credentials: Credentials, series: SigningSeries | None) -> None:
    if series is None and not credentials.username:
        raise SignatureRefused(
            "The first signing of a series needs user id and secret.", cure="Type both.", rule="ES-02"
        )
    if series is not None and not credentials.password and not credentials.assertion:
        raise SignatureRefused(
            "Every signing needs your password or passkey.",
            cure="Type the password, or use the passkey.",
            rule="ES-03",
        )


_NAMED = Compiled(
    lambda: Account.objects.filter(
        Exact(Lower("username"), Lower(Slot("username", TextField()))), is_active=True
    ).select_related("person")
)


def _account(credentials: Credentials, series: SigningSeries | None) -> Account | None:
    if not credentials.username:
        return series.account if series else None
    return _NAMED.first(username=username_read(credentials.username))


def _owner(account: Account | None, actor: Actor) -> tuple[Account, Person]:
    """The account and its person, who must be the one who acts."""
    if account is None or account.person is None or account.is_service:
        raise SignatureRefused("A program cannot sign.", cure="A person signs.", rule="ES-12")
    if account.person_id != actor.person_id:
        raise SignatureRefused(
            "This account belongs to somebody else.", cure="Sign as yourself.", rule="ES-12"
        )
    if not account.is_active or not account.person.active:
        raise SignatureRefused(
            "This person is not active.", cure="Ask the security administrator.", rule="P11-10d"
        )
    return account, account.person


def _row(
    subject: Model, content: str, meaning: Meaning, signer: Signer, credentials: Credentials, now: datetime
) -> Signature:
    kind, key = stream_of(subject)
    version = _VERSION.first(type=kind, id=key)
    before = _last_of(kind, key)
    series, person = signer.series, signer.person
    return Signature(
        uid=uuid4(),
        seq=before.seq + 1 if before else 1,
        subject_type=kind,
        subject_id=key,
        subject_version=version[0] if version else 0,
        content=content,
        content_digest=hashlib.sha256(content.encode()).hexdigest(),
        canon_id=CANON,
        attachments_digest=manifest_digest(content),
        meaning=meaning,
        statement=meaning.label,
        statement_version=STATEMENT_VERSION,
        comment=credentials.comment,
        account=signer.account,
        username=signer.account.username,
        person=person,
        printed_name=str(person),
        title=person.credentials,
        roles=" ".join(sorted(roles_of(person))),
        signed_at=now,
        timezone=person.timezone,
        utc_offset=offset_in(now, person.timezone),
        method=signer.method,
        components=signer.components,
        series=series,
        position=series.signed + 1,
        batch=credentials.together.uid if credentials.together else None,
        session_digest=series.session_digest,
        address=series.address,
        agent=series.agent,
        app_version=VERSION,
        config_version=config_version(),
        prev_hash=hash_of(before) if before else "",
    )


def offset_in(at: datetime, zone: str) -> str:
    """±HH:MM of a moment in an IANA zone (ES-08)."""
    text = at.astimezone(ZoneInfo(zone)).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def _last_of(kind: str, key: str) -> Signature | None:
    """The newest signature of a record. Who asks holds the place of the next one until the unit ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"signature {kind}/{key}"])
    return _LAST.first(type=kind, id=key)


_VERSION = Compiled(
    lambda: Stream.objects.filter(type=Slot("type", TextField()), id=Slot("id", TextField())).values_list(
        "version"
    )
)
_LAST = Compiled(
    lambda: Signature.objects.filter(
        subject_type=Slot("type", TextField()), subject_id=Slot("id", TextField())
    ).order_by("-seq")[:1]
)


def _count(row: Signature, series: SigningSeries, actor: Actor) -> None:
    series.signed, series.last_at = row.position, row.signed_at
    series.save(update_fields=["signed", "last_at"])
    given = SignatureGiven(
        signature=str(row.uid),
        hash=hash_of(row),
        subject=f"{row.subject_type}/{row.subject_id}",
        meaning=row.meaning,
        position=row.position,
    )
    if key := new_in_force(row):
        publish(series, key, actor=actor)
    publish(series, given, actor=actor)
