"""Passkeys: enrolled by their owner, used with user verification, reported lost at once (ES-01, ES-17, 11.200(b)).

The ceremony is fido2's, as django-allauth configures it; which passkeys still count is ours, because a passkey of the
record is never deleted. No biometric leaves the owner's device.
"""

from __future__ import annotations

import json
import time
from typing import Any, cast

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.internal.auth import build_user_payload
from django.http import HttpRequest
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from mes.choices import PasskeyState
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.events import PasskeyEnded, PasskeyEnrolled
from mes.exceptions import InvalidInput, NotPermitted, Refused, SignatureRefused
from mes.locking import locked_row
from mes.models import Account, BrowserSession, Passkey
from mes.permissions import require
from mes.services.notices import tell_owner_of
from mes.terminals import Terminal

KEPT = "lamina_passkey"
GOOD_FOR_S = 180.0
ENROL = "enrol"


def begin_enrolment(account: Account) -> dict[str, Any]:
    """What the browser is asked to make: `PublicKeyCredentialCreationOptions` as JSON (WebAuthn 5.4)."""
    options, state = _server().register_begin(
        user=build_user_payload(account),
        credentials=_credentials(account),
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(state, ENROL)
    return cast("dict[str, Any]", dict(options))


@unit_of_work
def finish_enrolment(*, account: Account, answer: str, name: str, actor: Actor) -> Passkey:
    """Keep the passkey that the browser made. Raises InvalidInput where its answer is not to what was asked."""
    _refuse_stranger(account, actor)
    state = _take(ENROL)
    try:
        if state is None:
            raise ValueError("nothing was asked")
        data = _server().register_complete(state, json.loads(answer)).credential_data
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InvalidInput(
            "The passkey could not be enrolled.", cure="Try once more.", rule="ES-01"
        ) from None
    if data is None or not name.strip():
        raise InvalidInput("A passkey needs a name.", cure="Name the device that holds it.")
    passkey = Passkey.objects.create(
        account=account,
        name=name.strip()[:60],
        credential_id=websafe_encode(data.credential_id),
        credential=websafe_encode(bytes(data)),
    )
    publish(passkey, PasskeyEnrolled(account_id=account.pk, passkey_id=passkey.pk), actor=actor)
    tell_owner_of(account, "a passkey was enrolled. It signs you in, and from the next sign-in on it signs.")
    return passkey


def begin_assertion(purpose: str, account: Account | None = None) -> dict[str, Any]:
    """What the browser is asked to answer: `PublicKeyCredentialRequestOptions` as JSON. Without an account any passkey of
    this site may answer, and no list of anybody's passkeys is told."""
    options, state = _server().authenticate_begin(
        credentials=_credentials(account) if account else None,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(state, purpose)
    return cast("dict[str, Any]", dict(options))


def account_of_assertion(assertion: str) -> Account | None:
    """Whose passkey answers, by its id alone; nothing is verified yet."""
    try:
        said = json.loads(assertion)["id"]
    except (ValueError, TypeError, KeyError):
        return None
    found = (
        Passkey.objects.filter(credential_id=said if isinstance(said, str) else "")
        .select_related("account__person")
        .first()
    )
    return found.account if found else None


def verified_passkey(*, account: Account, assertion: str, purpose: str) -> Passkey | None:
    """The issued passkey of this account that signed the challenge of this purpose, verifying its user; or None.

    A challenge is good once, for three minutes, in the session that asked for it.
    """
    state = _take(purpose)
    if state is None:
        return None
    try:
        answer = json.loads(assertion)
        AuthenticationResponse.from_dict(answer)
        used = _server().authenticate_complete(state, _credentials(account), answer)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    key = websafe_encode(used.credential_id)
    return Passkey.objects.filter(account=account, credential_id=key, state=PasskeyState.ISSUED).first()


@unit_of_work
def end_passkey(*, passkey_id: int, state: PasskeyState, actor: Actor, reason: str) -> Passkey:
    """Report a passkey lost, replace or revoke it: from now on it opens and signs nothing. What it signed stays valid.

    Its owner may at any time; a security administrator for others (ES-17).
    """
    passkey = locked_row(Passkey.objects.select_related("account"), passkey_id)
    if passkey is None or passkey.state != PasskeyState.ISSUED:
        raise Refused("There is no such passkey in use.", cure="Look at the list again.", rule="ES-17")
    if actor.person_id is None or passkey.account.person_id != actor.person_id:
        require(actor, "mes.guard_accounts")
    passkey.state, passkey.ended_at = state, timezone.now()
    passkey.save(update_fields=["state", "ended_at"])
    account = passkey.account
    if account.password_short and not has_passkey(account):
        account.must_change = True
        account.save(update_fields=["must_change"])
    said = PasskeyEnded(account_id=account.pk, passkey_id=passkey.pk, state=state.value)
    publish(passkey, said, actor=actor, reason=reason)
    tell_owner_of(account, "a passkey was ended. It opens and signs nothing any more.")
    return passkey


def refuse_new_passkey(passkey: Passkey, terminal: Terminal) -> None:
    """A passkey signs from the first sign-in after its enrolment on, never in a session that is older than itself: who
    took over an open session gets no second component out of it (ES-01, P11-200a1). Raises SignatureRefused."""
    session = BrowserSession.objects.filter(activity__key_digest=terminal.session_key_digest, ended_at=None)
    started = session.filter(account_id=passkey.account_id).values_list("started_at", flat=True).last()
    if started is None or started <= passkey.issued_at:
        raise SignatureRefused(
            "This passkey was enrolled in the session that is open: it does not sign in it.",
            cure="Sign out and in again, or give your password.",
            rule="ES-01",
        )


def has_passkey(account: Account) -> bool:
    return Passkey.objects.filter(account=account, state=PasskeyState.ISSUED).exists()


def _refuse_stranger(account: Account, actor: Actor) -> None:
    if actor.person_id is None or actor.person_id != account.person_id:
        raise NotPermitted(
            "A passkey is enrolled by its owner.", cure="Sign in and enrol it yourself.", rule="ES-14"
        )


def _credentials(account: Account) -> list[AttestedCredentialData]:
    issued = Passkey.objects.filter(account=account, state=PasskeyState.ISSUED)
    return [AttestedCredentialData(websafe_decode(passkey.credential)) for passkey in issued]


def _server() -> Fido2Server:
    """Bound to this site's name, and to exactly the origin that the browser sees it at."""
    request = _request()
    origin = f"{request.scheme}://{request.get_host()}"
    entity = PublicKeyCredentialRpEntity(**get_adapter().get_public_key_credential_rp_entity())
    return Fido2Server(entity, verify_origin=lambda seen: bool(seen == origin))


def _request() -> HttpRequest:
    request = cast("HttpRequest | None", context.request)
    if request is None:
        raise Refused("A passkey answers in a browser.", cure="Use the site.", rule="ES-01")
    return request


def _keep(state: Any, purpose: str) -> None:
    kept = {**state, "user_verification": str(state["user_verification"].value)}
    asked = _request().session.get(KEPT, {})
    _request().session[KEPT] = {**asked, purpose: {"state": kept, "at": time.time()}}


def _take(purpose: str) -> dict[str, Any] | None:
    """What was asked last for this purpose, once. Other purposes keep theirs: an enrolment is proved by another passkey."""
    asked = dict(_request().session.get(KEPT, {})) if context.request is not None else {}
    kept = asked.pop(purpose, None)
    if kept is None:
        return None
    _request().session[KEPT] = asked
    if time.time() - kept["at"] > GOOD_FOR_S:
        return None
    return cast("dict[str, Any]", kept["state"])
